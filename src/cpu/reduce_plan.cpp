#include "cpu/reduce_plan.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/loop_plan.h"

namespace rushlight::cpu {

const ReduceTable& reductions() {
  static const ReduceTable table = [] {
    ReduceTable t;
#define RL_FILL(isa)             \
  do {                           \
    isa::fill_reduce(t);         \
    isa::fill_reduce_arg(t);     \
    isa::fill_reduce_moments(t); \
    isa::fill_softmax(t);        \
    isa::fill_softmax_grad(t);   \
    isa::fill_scan(t);           \
    isa::fill_recurrence(t);     \
  } while (0)
    RL_BEST_ISA(RL_FILL)
#undef RL_FILL
    fill_scan_complex(t);
    return t;
  }();
  return table;
}

namespace {

// Elements of one call of a kernel, about: what fits a near cache and outweighs the cost of a task.
constexpr int64_t kTileElements = 32768;

struct Dims {
  int n = 0;  // dim 0 is the innermost
  int64_t size[kMaxDims], in[kMaxDims], out[kMaxDims];

  void insert(int64_t s, int64_t i, int64_t o) {
    int at = n++;
    while (at > 0 && i < in[at - 1]) {
      size[at] = size[at - 1];
      in[at] = in[at - 1];
      out[at] = out[at - 1];
      --at;
    }
    size[at] = s;
    in[at] = i;
    out[at] = o;
  }
  void coalesce() {
    int kept = 0;
    for (int d = 1; d < n; ++d) {
      if (in[d] == size[kept] * in[kept] && out[d] == size[kept] * out[kept]) {
        size[kept] *= size[d];
      } else {
        ++kept;
        size[kept] = size[d];
        in[kept] = in[d];
        out[kept] = out[d];
      }
    }
    if (n) n = kept + 1;
  }
  int64_t outer() const {
    int64_t count = 1;
    for (int d = 1; d < n; ++d) count *= size[d];
    return count;
  }
  int64_t inner() const { return n ? size[0] : 1; }
  int64_t inner_in() const { return n ? in[0] : 0; }
  int64_t inner_out() const { return n ? out[0] : 0; }
  // Offsets of element `at` of the dims from 1 on.
  void locate(int64_t at, int64_t& in_offset, int64_t& out_offset) const {
    for (int d = 1; d < n; ++d) {
      const int64_t i = at % size[d];
      at /= size[d];
      in_offset += i * in[d];
      out_offset += i * out[d];
    }
  }
};

// Joins any number of partial results pairwise, with one buffer per level of the tree.
class Cascade {
 public:
  Cascade(const ReduceKernel& kernel, int64_t width, bool with_index)
      : kernel_(kernel), width_(width), with_index_(with_index) {}

  struct Buffer {
    std::unique_ptr<char[]> acc;
    std::unique_ptr<int64_t[]> index;
  };

  // The buffer to fill before the next push().
  Buffer& fresh() {
    if (!fresh_.acc) fresh_ = make();
    return fresh_;
  }
  void push() {
    size_t level = 0;
    for (; count_ >> level & 1; ++level) join(levels_[level], fresh_);
    if (level == levels_.size()) levels_.emplace_back();
    std::swap(levels_[level], fresh_);
    ++count_;
  }
  Buffer& finish() {
    Buffer* all = nullptr;
    for (size_t level = 0; level < levels_.size(); ++level) {
      if (!(count_ >> level & 1)) continue;
      if (all)
        join(levels_[level], *all);
      else
        all = &levels_[level];
    }
    return *all;
  }

 private:
  Buffer make() const {
    Buffer b;
    b.acc.reset(new char[static_cast<size_t>(width_ * kernel_.acc_size)]);
    if (with_index_) b.index.reset(new int64_t[static_cast<size_t>(width_)]);
    return b;
  }
  // The result takes the place of `later`.
  void join(Buffer& earlier, Buffer& later) {
    kernel_.combine(earlier.acc.get(), later.acc.get(), earlier.index.get(), later.index.get(), width_);
    std::swap(earlier, later);
  }

  const ReduceKernel& kernel_;
  int64_t width_;
  bool with_index_;
  uint64_t count_ = 0;
  Buffer fresh_;
  std::vector<Buffer> levels_;
};

struct Driver {
  const ReduceKernel& kernel;
  bool with_index;
  const char* data;
  const ReduceSink& sink;
  Dims kept, reduced;
  bool columns = false;
  int64_t width = 1, segment = 1;        // a tile: outputs x elements reduced
  int64_t blocks_inner = 1, blocks = 1;  // blocks of outputs
  int64_t segments = 1, tiles = 1;       // tiles of one block
  int64_t chunk_tiles = 1, chunks_per_block = 1;

  void prepare() {
    kept.coalesce();
    reduced.coalesce();
    const int64_t outputs = kept.inner(), n = reduced.inner();
    columns = kept.n && (reduced.n == 0 || kept.in[0] < reduced.in[0]);
    if (columns) {
      width = std::min(outputs, kReduceColumns);
      segment = std::min(n, std::max<int64_t>(128, std::min<int64_t>(4096, 2 * kTileElements / width)));
      // Narrow blocks take more rows.
      if (width < 16) segment = std::min(n, kTileElements / width);
    } else {
      segment = std::min(n, kTileElements);
      width = std::min(outputs, std::clamp<int64_t>(kTileElements / segment, 1, kReduceColumns));
    }
    blocks_inner = (outputs + width - 1) / width;
    blocks = blocks_inner * kept.outer();
    segments = (n + segment - 1) / segment;
    tiles = segments * reduced.outer();
    chunk_tiles = tiles;
    if (blocks < 8 && tiles > 1) {
      chunk_tiles = std::max<int64_t>(1, kTileElements / (width * segment));
      // A bounded number of partial results.
      chunk_tiles = std::max(chunk_tiles, (tiles + 4095) / 4096);
    }
    chunks_per_block = (tiles + chunk_tiles - 1) / chunk_tiles;
  }

  struct Block {
    int64_t in = 0, out = 0, width = 0;
  };
  Block block(int64_t b) const {
    Block r;
    const int64_t inner = b % blocks_inner;
    kept.locate(b / blocks_inner, r.in, r.out);
    r.in += inner * width * kept.inner_in();
    r.out += inner * width * kept.inner_out();
    r.width = std::min(width, kept.inner() - inner * width);
    return r;
  }

  void tile(const Block& b, int64_t t, char* acc, int64_t* index) const {
    const int64_t at = t % segments * segment;
    int64_t offset = b.in + at * reduced.inner_in(), unused = 0;
    if (reduced.n > 1) reduced.locate(t / segments, offset, unused);
    const ReduceBlock args{data + offset,      b.width, kept.inner_in(), std::min(segment, reduced.inner() - at),
                           reduced.inner_in(), acc,     index,           at};
    (columns ? kernel.cols : kernel.rows)(args);
  }

  void tiles_of(const Block& b, int64_t begin, int64_t end, Cascade& cascade) const {
    for (int64_t t = begin; t < end; ++t) {
      Cascade::Buffer& buffer = cascade.fresh();
      tile(b, t, buffer.acc.get(), buffer.index.get());
      cascade.push();
    }
  }

  void store(const Block& b, char* acc, const int64_t* index) const {
    sink.store(acc, index, b.width, b.out, kept.inner_out());
  }

  void whole_blocks(int64_t begin, int64_t end) const {
    if (tiles == 1) {
      alignas(16) char acc[kReduceColumns * 16];
      std::unique_ptr<char[]> large;
      int64_t index[kReduceColumns];
      char* buffer = acc;
      if (width * kernel.acc_size > static_cast<int64_t>(sizeof acc)) {
        large.reset(new char[static_cast<size_t>(width * kernel.acc_size)]);
        buffer = large.get();
      }
      for (int64_t i = begin; i < end; ++i) {
        const Block b = block(i);
        tile(b, 0, buffer, index);
        store(b, buffer, index);
      }
      return;
    }
    for (int64_t i = begin; i < end; ++i) {
      const Block b = block(i);
      Cascade cascade(kernel, b.width, with_index);
      tiles_of(b, 0, tiles, cascade);
      const Cascade::Buffer& all = cascade.finish();
      store(b, all.acc.get(), all.index.get());
    }
  }

  void run() const {
    const int64_t tile_elements = width * segment;
    if (chunks_per_block == 1) {
      const int64_t grain = std::max<int64_t>(1, kTileElements / (tile_elements * tiles));
      BlockingRegion region(blocks * tile_elements * tiles > kSerialElements);
      parallel_for(0, blocks, grain, [&](int64_t begin, int64_t end) { whole_blocks(begin, end); });
      return;
    }
    BlockingRegion region(true);
    // Every chunk leaves one partial result.
    const int64_t chunks = blocks * chunks_per_block, bytes = width * kernel.acc_size;
    std::unique_ptr<char[]> partial(new char[static_cast<size_t>(chunks * bytes)]);
    std::unique_ptr<int64_t[]> partial_index(with_index ? new int64_t[static_cast<size_t>(chunks * width)] : nullptr);
    parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const Block b = block(c / chunks_per_block);
        const int64_t first = c % chunks_per_block * chunk_tiles, last = std::min(tiles, first + chunk_tiles);
        char* acc = partial.get() + c * bytes;
        int64_t* index = with_index ? partial_index.get() + c * width : nullptr;
        if (last - first == 1) {
          tile(b, first, acc, index);
          continue;
        }
        Cascade cascade(kernel, b.width, with_index);
        tiles_of(b, first, last, cascade);
        const Cascade::Buffer& all = cascade.finish();
        std::copy_n(all.acc.get(), b.width * kernel.acc_size, acc);
        if (with_index) std::copy_n(all.index.get(), b.width, index);
      }
    });
    for (int64_t i = 0; i < blocks; ++i) {
      const Block b = block(i);
      char* acc = partial.get() + i * chunks_per_block * bytes;
      int64_t* index = with_index ? partial_index.get() + i * chunks_per_block * width : nullptr;
      for (int64_t step = 1; step < chunks_per_block; step *= 2)
        for (int64_t c = 0; c + step < chunks_per_block; c += 2 * step)
          kernel.combine(acc + c * bytes, acc + (c + step) * bytes, with_index ? index + c * width : nullptr,
                         with_index ? index + (c + step) * width : nullptr, b.width);
      store(b, acc, index);
    }
  }
};

}  // namespace

void run_reduce(const ReduceKernel& kernel, bool with_index, const char* data, int64_t item_size, IntSpan sizes,
                IntSpan strides, uint64_t dims, const ReduceSink& sink) {
  Driver driver{kernel, with_index, data, sink, {}, {}};
  int64_t out = 1;
  for (int64_t d = static_cast<int64_t>(sizes.size()) - 1; d >= 0; --d) {
    const bool is_reduced = dims >> d & 1;
    if (sizes[d] != 1) {
      if (is_reduced)
        driver.reduced.insert(sizes[d], strides[d] * item_size, 0);
      else
        driver.kept.insert(sizes[d], strides[d] * item_size, out);
    }
    if (!is_reduced) out *= sizes[d];
  }
  driver.prepare();
  driver.run();
}

}  // namespace rushlight::cpu
