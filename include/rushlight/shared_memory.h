// Memory that several processes see. It has no name, so that nothing is left behind whatever way a process ends.
#pragma once

#include <sys/types.h>

#include <string>

#include "rushlight/storage.h"

#pragma GCC visibility push(default)

namespace rushlight {

class SharedMemory {
 public:
  // Moves the data of a storage on the CPU to shared memory. Every tensor that sees the storage sees it there, and so
  // do processes that are forked from now on or open() its descriptor. Nothing happens where it is shared already.
  static void share(const Ref<Storage>& storage);
  // The descriptor of a shared storage, which stays the storage's own; -1 where it is not shared.
  static int descriptor(const Storage& storage);
  // The storage of the memory behind a descriptor, which stays the caller's. While a storage of this process has that
  // memory, it is that one.
  static Ref<Storage> open(int descriptor, size_t nbytes);

  // A mapping of a file as shared memory: other processes map the file.
  static void add_file(const Ref<Storage>& storage, const std::string& path, dev_t device, ino_t inode);
  // The path of such a file, else empty.
  static std::string file(const Storage& storage);

  // Changes the number that goes with shared memory, of messages on their way that tell of it; gives the new one.
  static int count_messages(const Storage& storage, int change);

  // To be called by the deleter of a storage that add_file() was called for.
  static void forget(const void* data);

 private:
  struct Block;
  struct Registry;
  static Registry& registry();
  static void adopt(const Ref<Storage>& storage, Block* block);
  static void release(void* context, void* data, size_t nbytes);
};

}  // namespace rushlight

#pragma GCC visibility pop
