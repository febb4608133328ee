from . import _C, _special
from ._special import *

digamma = _C.digamma
erf = _C.erf
erfc = _C.erfc
erfinv = _C.erfinv
exp2 = _C.exp2
expit = _C.sigmoid
expm1 = _C.expm1
gammainc = _C.igamma
gammaincc = _C.igammac
gammaln = _C.lgamma
i0 = _C.i0
log1p = _C.log1p
log_softmax = _C.log_softmax
logsumexp = _C.logsumexp
modified_bessel_i0 = _C.i0
multigammaln = _C.mvlgamma
polygamma = _C.polygamma
psi = _C.digamma
round = _C.round
sinc = _C.sinc
softmax = _C.softmax
xlogy = _C.xlogy
modified_bessel_i1 = _special.i1
