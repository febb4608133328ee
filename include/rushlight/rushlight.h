// Everything a C++ program needs.
#pragma once

#include "rushlight/autograd.h"
#include "rushlight/conj.h"
#include "rushlight/creation.h"
#include "rushlight/generator.h"
#include "rushlight/grid_sampler.h"
#include "rushlight/index.h"
#include "rushlight/memory.h"
#include "rushlight/normalization.h"
#include "rushlight/ops.h"
#include "rushlight/random.h"
#include "rushlight/reduce.h"
#include "rushlight/shape.h"
#include "rushlight/sort.h"
#include "rushlight/special.h"
#include "rushlight/tensor.h"
#include "rushlight/ternary.h"
