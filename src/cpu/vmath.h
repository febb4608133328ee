// Vectorised mathematical functions of Vec<float> and Vec<double>. Every value of the argument is handled, with the
// results of IEEE 754 / C at zeros, infinities and NaN. The largest measured errors are in the table that
// tests/accuracy/measure.py prints; none exceeds 2 units in the last place, but acosh of floats with 2.04.
#pragma once

#include "vmath_area.h"
#include "vmath_erf.h"
#include "vmath_exp.h"
#include "vmath_hypot.h"
#include "vmath_log.h"
#include "vmath_mod.h"
#include "vmath_pow.h"
#include "vmath_trig.h"
