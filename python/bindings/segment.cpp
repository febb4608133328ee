#include "rushlight/segment.h"

#include "bindings/python.h"

namespace rushlight::python {

namespace {

// data, reduce, lengths, indices, offsets, axis, unsafe, initial
PyObject* reduce_segments(Args& a) {
  if (a.has(3)) fail("segment_reduce(): indices based reduction is not supported yet.");
  SegmentOptions o;
  if (a.has(2)) o.lengths = a.tensor(2);
  if (a.has(4)) o.offsets = a.tensor(4);
  o.dim = a.integer(5);
  o.unsafe = a.flag(6);
  if (a.has(7)) o.initial = a.scalar(7);
  return wrap(segment_reduce(a.tensor(0), a.text(1), o));
}

}  // namespace

void register_segment() {
  for (const char* signature :
       {"segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, "
        "int axis=0, bool unsafe=False, Scalar? initial=None)",
        "_segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, "
        "int axis=0, bool unsafe=False, Scalar? initial=None)"})
    def(signature, reduce_segments, kFunction,
        "Reduces segments of a dim: 'sum', 'mean', 'max', 'min' or 'prod'.\n\nlengths: of the segments; offsets: their "
        "bounds, one more than segments. Dims before `axis` are those of data.\nunsafe: lengths need not sum to the "
        "size of the dim.\ninitial: takes part in every segment.");
}

}  // namespace rushlight::python
