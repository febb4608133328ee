// Every public function throws Error for an undefined tensor. undefined_calls.py writes the list from the headers.
#include <vector>

#include "check.h"
#include "rushlight/contract.h"
#include "rushlight/creation.h"
#include "rushlight/grid_sampler.h"
#include "rushlight/hash.h"
#include "rushlight/index.h"
#include "rushlight/normalization.h"
#include "rushlight/random.h"
#include "rushlight/rushlight.h"
#include "rushlight/segment.h"
#include "rushlight/sort.h"
#include "rushlight/special.h"
#include "rushlight/ternary.h"

using namespace rushlight;

namespace {

constexpr int64_t kSizes[] = {2, 2};

Tensor kept;
const Tensor& some() {
  kept = ones(kSizes);
  return kept;
}
const Tensor& undefined() {
  static const Tensor none;
  return none;
}
std::span<const Tensor> some_list() {
  static TensorList list;
  list = {ones(kSizes), ones(kSizes)};
  return list;
}
std::span<const Tensor> undefined_list() {
  static TensorList list;
  list = {ones(kSizes), Tensor()};
  return list;
}

struct Call {
  const char* text;
  void (*run)();
};

#define UNDEFINED(...) {#__VA_ARGS__, [] { static_cast<void>(__VA_ARGS__); }},
const Call kFunctions[] = {
#include "undefined_calls.inc"
};

const Call kMembers[] = {
    UNDEFINED(Tensor().dim()) UNDEFINED(Tensor().sizes()) UNDEFINED(Tensor().strides()) UNDEFINED(Tensor().size(0))
        UNDEFINED(Tensor().stride(0)) UNDEFINED(Tensor().numel()) UNDEFINED(Tensor().dtype()) UNDEFINED(
            Tensor().item_size()) UNDEFINED(Tensor().nbytes()) UNDEFINED(Tensor().device())
            UNDEFINED(Tensor().storage()) UNDEFINED(Tensor().storage_offset()) UNDEFINED(Tensor().is_conj()) UNDEFINED(
                Tensor().data()) UNDEFINED(Tensor().raw_data()) UNDEFINED(Tensor().data_ptr<float>())
                UNDEFINED(Tensor().is_contiguous()) UNDEFINED(Tensor().is_non_overlapping_and_dense()) UNDEFINED(
                    Tensor().version()) UNDEFINED(Tensor().bump_version("test")) UNDEFINED(Tensor().requires_grad())
                    UNDEFINED(Tensor().set_requires_grad(true)) UNDEFINED(Tensor().is_leaf()) UNDEFINED(Tensor().grad())
                        UNDEFINED(Tensor().set_grad(Tensor())) UNDEFINED(Tensor().grad_fn()) UNDEFINED(
                            Tensor().backward()) UNDEFINED(Tensor()[0]) UNDEFINED(Tensor().slice(0, 0, 1))
                            UNDEFINED(Tensor().to(DType::Float64)) UNDEFINED(Tensor().contiguous()) UNDEFINED(
                                Tensor().clone()) UNDEFINED(Tensor().detach()) UNDEFINED(Tensor().view(kSizes))
                                UNDEFINED(Tensor().reshape(kSizes)) UNDEFINED(Tensor().t()) UNDEFINED(Tensor().sum())
                                    UNDEFINED(Tensor().mean()) UNDEFINED(Tensor().matmul(some()))
                                        UNDEFINED(some().matmul(Tensor())) UNDEFINED(Tensor().item()) UNDEFINED(
                                            Tensor().item<double>()) UNDEFINED(share(Tensor())) UNDEFINED(Tensor() + 1)
                                            UNDEFINED(some() - undefined()) UNDEFINED(some() * undefined())
                                                UNDEFINED(undefined() / some()) UNDEFINED(-Tensor()) UNDEFINED(
                                                    autograd::backward(undefined_list(), {}, false, false))
                                                    UNDEFINED(autograd::grad(undefined_list(), some_list(), {}, false,
                                                                             false, true))
                                                        UNDEFINED(autograd::grad(some_list(), undefined_list(), {},
                                                                                 false, false, true))
                                                            UNDEFINED(autograd::add_tensor_hook(Tensor(), TensorHook()))
                                                                UNDEFINED(autograd::remove_tensor_hook(Tensor(), 1))
                                                                    UNDEFINED(autograd::retain_grad(Tensor()))
                                                                        UNDEFINED(autograd::check_inplace(Tensor()))};

void check_throws(const Call& call) {
  bool thrown = false;
  try {
    call.run();
  } catch (const Error&) {
    thrown = true;
  }
  if (thrown) return;
  ++check_failures();
  std::fprintf(stderr, "%s did not throw\n", call.text);
}

void test_dtypes() {
  const Tensor t = ones(kSizes);
  CHECK(t.data_ptr<float>()[3] == 1);
  CHECK(t.data_ptr<const float>()[3] == 1);
  CHECK_THROWS(Error, t.data_ptr<double>());
  CHECK_THROWS(Error, t.data_ptr<int32_t>());
  CHECK_THROWS(Error, t.data_ptr<bool>());
  CHECK_THROWS(Error, t.to(DType::Float16).data_ptr<bfloat16>());
  CHECK(t.to(DType::UInt16).data_ptr<uint16_t>()[0] == 1);
}

}  // namespace

int main() {
  for (const Call& call : kMembers) check_throws(call);
  for (const Call& call : kFunctions) check_throws(call);
  test_dtypes();
  return check_result();
}
