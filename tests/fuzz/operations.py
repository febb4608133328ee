"""Names of operations by what they take."""

UNARY = ("neg", "abs", "square", "sign", "floor", "ceil", "round", "trunc", "sgn", "relu", "frac", "positive")[:-1]
FLOAT_UNARY = (
    *("exp", "sqrt", "sin", "cos", "tanh", "sigmoid", "log1p", "reciprocal", "rsqrt", "log", "expm1", "erf"),
    *("atan", "asinh", "sinh", "cosh", "exp2", "log2", "log10", "tan", "deg2rad", "erfc", "lgamma", "digamma", "i0"),
    *("sinc", "angle", "logit", "acos", "asin", "atanh", "acosh", "erfinv"),
)
BINARY = ("add", "sub", "mul", "div", "pow", "floor_divide", "remainder", "fmod", "true_divide", "atan2", "copysign")
FLOAT_BINARY = ("hypot", "logaddexp", "logaddexp2", "nextafter", "xlogy")
ANY_BINARY = (
    *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "lcm", "ldexp"),
    *("heaviside", "hypot", "xlogy", "float_power", "bitwise_left_shift", "nextafter"),
)
INTEGER_BINARY = ("gcd", "lcm")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
OPERATORS = ("+", "-", "*", "/", "**", "//", "%", "&", "|", "^")
TESTS = ("isnan", "isinf", "isfinite", "signbit", "isposinf", "isreal", "logical_not")
REDUCTIONS = (
    *("sum", "mean", "prod", "amax", "amin", "any", "all", "argmax", "argmin", "std", "var", "norm", "logsumexp"),
    *("nansum", "max", "min", "median"),
)
REDUCTIONS_WITH_INDEX = (
    "max",
    "min",
    "median",
    "nanmedian",
    "mode",
    "sort",
    "cummax",
    "cummin",
    "topk",
    "kthvalue",
    "var",
)
