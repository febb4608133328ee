// Functions of complex numbers beyond the standard library's, in double precision.
#pragma once

#include "rushlight/dtype.h"

namespace rushlight::cpu {

complex128 complex_exp2(complex128 z);
complex128 complex_expm1(complex128 z);
complex128 complex_log1p(complex128 z);
complex128 complex_sigmoid(complex128 z);
complex128 complex_sinc(complex128 z);  // sin(pi z) / (pi z)
complex128 complex_power(complex128 a, complex128 b);
complex128 complex_logaddexp(complex128 a, complex128 b);  // log(e^a + e^b)

}  // namespace rushlight::cpu
