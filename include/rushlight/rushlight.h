// Everything a C++ program needs.
#pragma once

#include "rushlight/autograd.h"
#include "rushlight/generator.h"
#include "rushlight/grid_sampler.h"
#include "rushlight/index.h"
#include "rushlight/memory.h"
#include "rushlight/normalization.h"
#include "rushlight/ops.h"
#include "rushlight/tensor.h"
