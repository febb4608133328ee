// Memory that a tensor has left (`Tensor.data = `, set_, resize_) while kernels of other threads may still work on it.
#pragma once

#include "rushlight/storage.h"

namespace rushlight {

// Around work on memory during which other threads may do anything to the tensors. The result of begin_use() is for
// end_use().
int begin_use();
void end_use(int use);
// Lets go of the storage, but not before all uses that have begun are at their end.
void retire(Ref<Storage> storage);

}  // namespace rushlight
