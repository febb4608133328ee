// Everything a C++ program needs.
#pragma once

#include "rushlight/autograd.h"
#include "rushlight/generator.h"
#include "rushlight/memory.h"
#include "rushlight/ops.h"
#include "rushlight/tensor.h"
#include "rushlight/ternary.h"
