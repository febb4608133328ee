// Special functions that few programs call: scalar loops in double precision, compiled once. Where a vectorised form
// exists (special_kernels.cpp), it takes the place of the one here.
#include "cpu/special.h"

#include "cpu/kernels.h"
#include "rushlight/dtype.h"

namespace rushlight::cpu {
namespace {

template <class T, double (*F)(double)>
void unary(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<T*>(data[0] + i * strides[0]) =
        static_cast<T>(F(*reinterpret_cast<const T*>(data[1] + i * strides[1])));
}
template <class T, double (*F)(double, double)>
void binary(char* const* data, const int64_t* strides, int64_t n, const void*) {
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<T*>(data[0] + i * strides[0]) = static_cast<T>(F(
        *reinterpret_cast<const T*>(data[1] + i * strides[1]), *reinterpret_cast<const T*>(data[2] + i * strides[2])));
}
template <double (*F)(double)>
void put(ElementwiseTable& t, UnaryOp op) {
  t.unary[static_cast<int>(op)][static_cast<int>(DType::Float32)] = unary<float, F>;
  t.unary[static_cast<int>(op)][static_cast<int>(DType::Float64)] = unary<double, F>;
}
template <double (*F)(double, double)>
void put(ElementwiseTable& t, BinaryOp op) {
  t.binary[static_cast<int>(op)][static_cast<int>(DType::Float32)] = binary<float, F>;
  t.binary[static_cast<int>(op)][static_cast<int>(DType::Float64)] = binary<double, F>;
}

}  // namespace

void fill_special(ElementwiseTable& t) {
  put<special::erfinv>(t, UnaryOp::Erfinv);
  put<special::lgamma>(t, UnaryOp::Lgamma);
  put<special::digamma>(t, UnaryOp::Digamma);
  put<special::trigamma>(t, UnaryOp::Trigamma);
  put<special::sinc>(t, UnaryOp::Sinc);
  put<special::logit>(t, UnaryOp::Logit);
  put<special::i0>(t, UnaryOp::I0);
  put<special::i0e>(t, UnaryOp::I0e);
  put<special::i1>(t, UnaryOp::I1);
  put<special::i1e>(t, UnaryOp::I1e);
  put<special::entr>(t, UnaryOp::Entr);
  put<special::erfcx>(t, UnaryOp::Erfcx);
  put<special::ndtri>(t, UnaryOp::Ndtri);
  put<special::log_ndtr>(t, UnaryOp::LogNdtr);
  put<special::bessel_j0>(t, UnaryOp::BesselJ0);
  put<special::bessel_j1>(t, UnaryOp::BesselJ1);
  put<special::bessel_y0>(t, UnaryOp::BesselY0);
  put<special::bessel_y1>(t, UnaryOp::BesselY1);
  put<special::bessel_k0>(t, UnaryOp::BesselK0);
  put<special::bessel_k1>(t, UnaryOp::BesselK1);
  put<special::bessel_k0e>(t, UnaryOp::ScaledBesselK0);
  put<special::bessel_k1e>(t, UnaryOp::ScaledBesselK1);
  put<special::spherical_j0>(t, UnaryOp::SphericalBesselJ0);
  put<special::zeta>(t, BinaryOp::Zeta);
  put<special::igamma>(t, BinaryOp::Igamma);
  put<special::igammac>(t, BinaryOp::Igammac);
  put<special::chebyshev_t>(t, BinaryOp::ChebyshevT);
  put<special::chebyshev_u>(t, BinaryOp::ChebyshevU);
  put<special::chebyshev_v>(t, BinaryOp::ChebyshevV);
  put<special::chebyshev_w>(t, BinaryOp::ChebyshevW);
  put<special::shifted_chebyshev_t>(t, BinaryOp::ShiftedChebyshevT);
  put<special::shifted_chebyshev_u>(t, BinaryOp::ShiftedChebyshevU);
  put<special::shifted_chebyshev_v>(t, BinaryOp::ShiftedChebyshevV);
  put<special::shifted_chebyshev_w>(t, BinaryOp::ShiftedChebyshevW);
  put<special::hermite_h>(t, BinaryOp::HermiteH);
  put<special::hermite_he>(t, BinaryOp::HermiteHe);
  put<special::laguerre_l>(t, BinaryOp::LaguerreL);
  put<special::legendre_p>(t, BinaryOp::LegendreP);
}

}  // namespace rushlight::cpu
