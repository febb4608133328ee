// Devices and the registry of backends that serve them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#pragma GCC visibility push(default)

namespace rushlight {

enum class DeviceType : int8_t { CPU, CUDA, Meta };

struct Device {
  DeviceType type = DeviceType::CPU;
  int8_t index = -1;  // -1: the current device of this type

  bool is_cpu() const { return type == DeviceType::CPU; }
  // "cpu", "cuda:0"
  std::string str() const;
  // Parses "cpu", "cuda", "cuda:1"; RuntimeError for anything else.
  static Device parse(std::string_view text);
  friend bool operator==(const Device&, const Device&) = default;
};

// What a backend offers to the layers above. The CPU is always registered; others register when their library is
// loaded.
struct Backend {
  DeviceType type;
  const char* name;
  int (*device_count)();
  void* (*allocate)(size_t nbytes, int device_index);
  void (*deallocate)(void* data, size_t nbytes, int device_index);
};

void register_backend(const Backend& backend);
// nullptr when no library for this type of device is loaded.
const Backend* find_backend(DeviceType type);
// Raises as torch does without the device: AssertionError-like text for CUDA. Returns the backend otherwise.
const Backend& require_backend(Device device);

}  // namespace rushlight

#pragma GCC visibility pop
