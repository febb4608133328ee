// Vectorised special functions, compiled once per instruction set.
#include "cpu/special_kernels.h"

#include "cpu/loops.h"
#include "cpu/vmath_bessel.h"
#include "cpu/vmath_gamma.h"

namespace rushlight::cpu::RL_ISA {
namespace {

// Functions of doubles serve floats, too: F::call<true>, or F::call<false>, which may be less exact.
template <class F>
struct InDouble {
  RL_INLINE static Vec<double> call(Vec<double> x) { return F::template call<true>(x); }
  RL_INLINE static Vec<float> call(Vec<float> x) {
    return narrow<float>(F::template call<false>(widen_low<double>(x)), F::template call<false>(widen_high<double>(x)));
  }
};

template <class F, class T>
void loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
  vector_unary_loop<T>(data, strides, n, [](Vec<T> x) __attribute__((always_inline)) { return F::call(x); });
}
template <class F>
void put(ElementwiseTable& t, UnaryOp op) {
  Loop* const row = t.unary[static_cast<int>(op)];
  row[static_cast<int>(DType::Float32)] = loop<F, float>;
  row[static_cast<int>(DType::Float64)] = loop<F, double>;
}

#define RL_IN_DOUBLE(Name, exact, rough)               \
  struct Name##F {                                     \
    template <bool Exact>                              \
    RL_INLINE static Vec<double> call(Vec<double> x) { \
      if constexpr (Exact)                             \
        return exact;                                  \
      else                                             \
        return rough;                                  \
    }                                                  \
  };
#define RL_BESSEL(Name, Order, Scaled) \
  RL_IN_DOUBLE(Name, (bessel_i<Order, Scaled>(x)), (bessel_i_short<Order, Scaled>(x)))
#define RL_FUNCTOR(Name, function)           \
  struct Name##F {                           \
    template <class T>                       \
    RL_INLINE static Vec<T> call(Vec<T> x) { \
      return RL_ISA::function(x);            \
    }                                        \
  };
RL_IN_DOUBLE(Lgamma, lgamma<true>(x), lgamma<false>(x))
RL_IN_DOUBLE(Digamma, digamma(x), digamma(x))
RL_IN_DOUBLE(Sinc, sinc(x), sinc(x))
RL_BESSEL(I0, 0, false)
RL_BESSEL(I0e, 0, true)
RL_BESSEL(I1, 1, false)
RL_BESSEL(I1e, 1, true)
RL_FUNCTOR(Erfinv, erfinv)
RL_FUNCTOR(Logit, logit)
RL_FUNCTOR(Entr, entr)
#undef RL_IN_DOUBLE
#undef RL_FUNCTOR
#undef RL_BESSEL

}  // namespace

void fill_special(ElementwiseTable& t) {
  put<InDouble<LgammaF>>(t, UnaryOp::Lgamma);
  put<InDouble<DigammaF>>(t, UnaryOp::Digamma);
  put<ErfinvF>(t, UnaryOp::Erfinv);
  put<InDouble<SincF>>(t, UnaryOp::Sinc);
  put<LogitF>(t, UnaryOp::Logit);
  put<EntrF>(t, UnaryOp::Entr);
  put<InDouble<I0F>>(t, UnaryOp::I0);
  put<InDouble<I0eF>>(t, UnaryOp::I0e);
  put<InDouble<I1F>>(t, UnaryOp::I1);
  put<InDouble<I1eF>>(t, UnaryOp::I1e);
}

}  // namespace rushlight::cpu::RL_ISA
