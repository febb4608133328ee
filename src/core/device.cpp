#include "rushlight/device.h"

#include <array>

#include "rushlight/error.h"
#include "rushlight/memory.h"

namespace rushlight {

namespace {

const Backend kCpu{DeviceType::CPU, "cpu", [] { return 1; },
                   [](size_t nbytes, int) { return rushlight::allocate(nbytes); },
                   [](void* data, size_t nbytes, int) { rushlight::deallocate(data, nbytes); }};

std::array<const Backend*, 3>& registry() {
  static std::array<const Backend*, 3> backends{&kCpu, nullptr, nullptr};
  return backends;
}

constexpr const char* kTypeNames[] = {"cpu", "cuda", "meta"};

}  // namespace

std::string Device::str() const {
  std::string text = kTypeNames[static_cast<int>(type)];
  if (index >= 0) text += ":" + std::to_string(index);
  return text;
}

Device Device::parse(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  Device device;
  bool known = false;
  for (int i = 0; i < 3; ++i)
    if (kind == kTypeNames[i]) {
      device.type = static_cast<DeviceType>(i);
      known = true;
    }
  if (!known)
    fail("Expected one of cpu, cuda, meta device type at start of device string: ", kind.empty() ? text : kind);
  if (colon == std::string_view::npos) return device;
  const std::string_view digits = text.substr(colon + 1);
  int index = 0;
  bool valid = !digits.empty() && digits.size() <= 3 && (digits.size() == 1 || digits[0] != '0');
  for (char c : digits.substr(0, 3)) {
    valid = valid && c >= '0' && c <= '9';
    index = index * 10 + (c - '0');
  }
  if (!valid || index > 127) fail("Invalid device string: '", text, "'");
  device.index = static_cast<int8_t>(index);
  return device;
}

void register_backend(const Backend& backend) { registry()[static_cast<size_t>(backend.type)] = &backend; }

const Backend* find_backend(DeviceType type) { return registry()[static_cast<size_t>(type)]; }

const Backend& require_backend(Device device) {
  const Backend* backend = find_backend(device.type);
  if (!backend && device.type == DeviceType::CUDA)
    fail<AssertionError>("Torch not compiled with CUDA enabled: rushlight has no CUDA backend loaded for device '",
                         device.str(), "'");
  if (!backend)
    fail<NotImplementedError>("device '", device.str(), "' has no storage: no backend is registered for it");
  if (device.index >= backend->device_count())
    fail("device index ", static_cast<int>(device.index), " is out of range: ", backend->device_count(), " ",
         backend->name, " device(s) found");
  return *backend;
}

}  // namespace rushlight
