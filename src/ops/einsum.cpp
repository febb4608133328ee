// einsum and tensordot: dims are brought into one order, then pairs of operands are contracted by products of matrices.
#include <algorithm>
#include <array>
#include <string>

#include "layout/layout.h"
#include "ops/products.h"
#include "rushlight/contract.h"

namespace rushlight {

namespace {

constexpr int kLetters = 52;
constexpr int kEllipsis = kLetters;  // in a list of subscripts

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
int letter_index(char c) { return c <= 'Z' ? c - 'A' : c - 'a' + 26; }
char letter(int index) { return static_cast<char>(index < 26 ? 'A' + index : 'a' + index - 26); }

struct Equation {
  std::vector<std::vector<int>> inputs;
  std::vector<int> output;
  bool explicit_output = false;
};

// "..." at position i of the equation; moves i to its last dot.
void take_ellipsis(std::string_view text, size_t& i, std::vector<int>& subscripts, const std::string& where,
                   const char* shown) {
  if (std::find(subscripts.begin(), subscripts.end(), kEllipsis) != subscripts.end())
    fail("einsum(): found '.' for ", where, " for which an ellipsis", shown, " was already found");
  if (text.substr(i, 3) != "...") fail("einsum(): found '.' for ", where, " that is not part of any ellipsis", shown);
  i += 2;
  subscripts.push_back(kEllipsis);
}

[[noreturn]] void fail_subscript(size_t i) {
  fail("einsum(): invalid subscript given at index ", i, " in the equation string, subscripts must be in [a-zA-Z]");
}

Equation parse(std::string_view text) {
  Equation e;
  e.inputs.emplace_back();
  size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ') continue;
    if (c == '.') {
      take_ellipsis(text, i, e.inputs.back(), "operand " + std::to_string(e.inputs.size() - 1), "");
    } else if (c == ',') {
      e.inputs.emplace_back();
    } else if (text.substr(i, 2) == "->") {
      e.explicit_output = true;
      i += 2;
      break;
    } else if (is_letter(c)) {
      e.inputs.back().push_back(letter_index(c));
    } else {
      fail_subscript(i);
    }
  }
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ') continue;
    if (c == '.')
      take_ellipsis(text, i, e.output, "output", " (...)");
    else if (is_letter(c))
      e.output.push_back(letter_index(c));
    else
      fail_subscript(i);
  }
  return e;
}

// Where each letter and the dims of the ellipsis stand: those of the result first, then those that are summed over.
struct Order {
  std::array<int, kLetters> position;  // -1: not in the equation
  int ellipsis = 0;                    // the first of `ellipsis_dims` positions
  int ellipsis_dims = 0;
  int output_dims = 0;
  int dims = 0;
};

Order order_of(const Equation& e, std::span<const Tensor> operands) {
  if (operands.size() > e.inputs.size()) fail("einsum(): more operands were provided than specified in the equation");
  if (operands.size() < e.inputs.size()) fail("einsum(): fewer operands were provided than specified in the equation");
  Order order;
  std::array<int, kLetters> count{};
  bool ellipsis_in_input = false;
  for (size_t k = 0; k < operands.size(); ++k) {
    const std::vector<int>& subscripts = e.inputs[k];
    const bool has_ellipsis = std::find(subscripts.begin(), subscripts.end(), kEllipsis) != subscripts.end();
    const int64_t letters = static_cast<int64_t>(subscripts.size()) - has_ellipsis, dims = operands[k].dim();
    for (int s : subscripts)
      if (s != kEllipsis) ++count[s];
    if (has_ellipsis ? letters > dims : letters != dims)
      fail("einsum(): the number of subscripts in the equation (", letters, ")",
           has_ellipsis ? " is more than the number of dimensions (" : " does not match the number of dimensions (",
           dims, ") for operand ", k, has_ellipsis ? "" : " and no ellipsis was given");
    ellipsis_in_input = ellipsis_in_input || has_ellipsis;
    if (has_ellipsis) order.ellipsis_dims = std::max(order.ellipsis_dims, static_cast<int>(dims - letters));
  }
  order.position.fill(-1);
  int at = 0;
  bool ellipsis_placed = false;
  if (!e.explicit_output) {
    at = order.ellipsis_dims;
    ellipsis_placed = true;
    for (int s = 0; s < kLetters; ++s)
      if (count[s] == 1) order.position[s] = at++;
  } else {
    for (int s : e.output) {
      if (s == kEllipsis) {
        order.ellipsis = at;
        at += order.ellipsis_dims;
        ellipsis_placed = true;
        continue;
      }
      if (order.position[s] >= 0)
        fail("einsum(): output subscript ", letter(s), " appears more than once in the output");
      if (count[s] == 0)
        fail("einsum(): output subscript ", letter(s), " does not appear in the equation for any input operand");
      order.position[s] = at++;
    }
  }
  order.output_dims = at;
  if (!ellipsis_placed) {
    order.ellipsis = at;
    at += order.ellipsis_dims;
  }
  for (int s = 0; s < kLetters; ++s)
    if (count[s] > 0 && order.position[s] < 0) order.position[s] = at++;
  order.dims = at;
  return order;
}

// A view of operand k with all dims of the equation in order, those it lacks of size 1.
Tensor arranged(Tensor t, const std::vector<int>& subscripts, const Order& order, size_t k) {
  // The dim of t at each position; -1: none.
  std::vector<int64_t> dim_at(static_cast<size_t>(order.dims), -1);
  const int64_t letters = static_cast<int64_t>(subscripts.size()) -
                          (std::find(subscripts.begin(), subscripts.end(), kEllipsis) != subscripts.end());
  const int64_t covered = t.dim() - letters;
  int64_t dim = 0;
  for (int s : subscripts) {
    if (s == kEllipsis) {
      for (int64_t i = order.ellipsis_dims - covered; i < order.ellipsis_dims; ++i)
        dim_at[static_cast<size_t>(order.ellipsis + i)] = dim++;
      continue;
    }
    int64_t& first = dim_at[static_cast<size_t>(order.position[s])];
    if (first < 0) {
      first = dim++;
      continue;
    }
    if (t.sizes()[first] != t.sizes()[dim])
      fail("einsum(): subscript ", letter(s), " is repeated for operand ", k, " but the sizes don't match, ",
           t.sizes()[dim], " != ", t.sizes()[first]);
    const Tensor diagonals = diagonal(t, 0, first, dim);  // at the end
    const int64_t from[1] = {-1}, to[1] = {first};
    t = movedim(diagonals, from, to);
  }
  DimVector axes;
  for (int64_t d : dim_at)
    if (d >= 0) axes.push_back(d);
  t = permute(t, axes);
  for (size_t i = 0; i < dim_at.size(); ++i)
    if (dim_at[i] < 0) t = unsqueeze(t, static_cast<int64_t>(i));
  return t;
}

void check_sizes(std::span<const Tensor> operands, const Equation& e, const Order& order) {
  for (int d = 0; d < order.dims; ++d) {
    int64_t size = 1;
    for (size_t k = 0; k < operands.size(); ++k) {
      const int64_t own = operands[k].sizes()[d];
      if (own == 1 || own == size) continue;
      if (size == 1) {
        size = own;
        continue;
      }
      std::string name;
      for (int s : e.inputs[k])
        if (s != kEllipsis && order.position[s] == d) name = std::string("subscript ") + letter(s);
      fail("einsum(): ", name.empty() ? "a dim of the ellipsis" : name, " has size ", own, " for operand ", k,
           " which does not broadcast with previously seen size ", size);
    }
  }
}

int64_t product_of(IntSpan sizes, const DimVector& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= sizes[d];
  return n;
}

// The product of two operands with the same dims, summed over those in `summed`, which stay with size 1.
// ordered: the operand with the leading dims comes first, so that the result need not be permuted.
Tensor contract(const Tensor& left, const Tensor& right, const DimVector& summed, bool ordered) {
  if (summed.empty()) return mul(left, right);
  const int64_t n = left.dim();
  std::vector<bool> is_summed(static_cast<size_t>(n), false);
  for (int64_t d : summed) is_summed[static_cast<size_t>(d)] = true;
  DimVector both, left_only, right_only, none;
  for (int64_t d = 0; d < n; ++d) {
    if (is_summed[static_cast<size_t>(d)]) continue;
    const bool in_left = left.sizes()[d] != 1, in_right = right.sizes()[d] != 1;
    (in_left && in_right ? both : in_left ? left_only : in_right ? right_only : none).push_back(d);
  }
  if (ordered && !right_only.empty() && !left_only.empty() && right_only[0] < left_only[0])
    return contract(right, left, summed, false);
  for (int64_t d : none) right_only.push_back(d);
  auto joined = [](std::initializer_list<const DimVector*> parts) {
    DimVector all;
    for (const DimVector* part : parts)
      for (int64_t d : *part) all.push_back(d);
    return all;
  };
  const int64_t batch = product_of(left.sizes(), both), rows = product_of(left.sizes(), left_only),
                inner = product_of(left.sizes(), summed), cols = product_of(right.sizes(), right_only);
  const int64_t left_sizes[3] = {batch, rows, inner}, right_sizes[3] = {batch, inner, cols};
  const Tensor a = reshape(permute(left, joined({&both, &left_only, &summed, &right_only})), left_sizes);
  const Tensor b = reshape(permute(right, joined({&both, &summed, &right_only, &left_only})), right_sizes);
  const Tensor c = bmm(a, b);
  DimVector sizes;
  for (int64_t d : both) sizes.push_back(left.sizes()[d]);
  for (int64_t d : left_only) sizes.push_back(left.sizes()[d]);
  for (size_t i = 0; i < summed.size(); ++i) sizes.push_back(1);
  for (int64_t d : right_only) sizes.push_back(right.sizes()[d]);
  const DimVector from = joined({&both, &left_only, &summed, &right_only});
  DimVector back(static_cast<size_t>(n));
  for (size_t i = 0; i < from.size(); ++i) back[static_cast<size_t>(from[i])] = static_cast<int64_t>(i);
  return permute(view(c, sizes), back);
}

}  // namespace

Tensor einsum(std::string_view equation, std::span<const Tensor> tensors) {
  if (tensors.empty()) fail("einsum(): must provide at least one operand");
  const Equation e = parse(equation);
  const Order order = order_of(e, tensors);
  if (order.dims > kMaxDims) fail("einsum(): the equation has more than ", kMaxDims, " dims");
  std::vector<Tensor> operands;
  for (size_t k = 0; k < tensors.size(); ++k) operands.push_back(arranged(tensors[k], e.inputs[k], order, k));
  check_sizes(operands, e, order);

  // How many operands that have not been multiplied yet have each dim.
  std::vector<int> left(static_cast<size_t>(order.dims), 0);
  for (const Tensor& t : operands)
    for (int d = order.output_dims; d < order.dims; ++d) left[static_cast<size_t>(d)] += t.sizes()[d] != 1;

  Tensor result = operands[0];
  for (size_t k = 1; k < operands.size(); ++k) {
    Tensor next = operands[k];
    DimVector summed, result_alone, next_alone;
    for (int d = order.output_dims; d < order.dims; ++d) {
      const bool in_result = result.sizes()[d] != 1, in_next = next.sizes()[d] != 1;
      int& count = left[static_cast<size_t>(d)];
      if (in_result && in_next) {
        if (--count == 1) {
          summed.push_back(d);
          count = 0;
        }
      } else if (count == 1 && (in_result || in_next)) {
        (in_result ? result_alone : next_alone).push_back(d);
        count = 0;
      }
    }
    if (!result_alone.empty()) result = sum(result, IntSpan(result_alone), true);
    if (!next_alone.empty()) next = sum(next, IntSpan(next_alone), true);
    result = contract(result, next, summed, operands.size() == 2 && result_alone.empty() && next_alone.empty());
  }
  if (order.dims == order.output_dims) return result;
  if (operands.size() > 1) return view(result, result.sizes().first(static_cast<size_t>(order.output_dims)));
  DimVector dims;
  for (int d = order.output_dims; d < order.dims; ++d) dims.push_back(d);
  return sum(result, IntSpan(dims));
}

Tensor tensordot(const Tensor& self, const Tensor& other, IntSpan dims_self, IntSpan dims_other) {
  if (dims_self.size() != dims_other.size()) fail("both dimension lists should have same length");
  if (self.dtype() != other.dtype()) fail("both inputs should have same dtype");
  std::vector<bool> used_a(static_cast<size_t>(self.dim()), false), used_b(static_cast<size_t>(other.dim()), false);
  Tensor a = self, b = other;
  DimVector dims_a, dims_b, alone_a, alone_b;
  for (size_t i = 0; i < dims_self.size(); ++i) {
    const int64_t da = wrap_dim(dims_self[i], self.dim()), db = wrap_dim(dims_other[i], other.dim());
    const int64_t na = self.dim() ? self.sizes()[da] : 1, nb = other.dim() ? other.sizes()[db] : 1;
    if (nb == 1 && na != 1)
      alone_a.push_back(da);
    else if (na == 1 && nb != 1)
      alone_b.push_back(db);
    else if (na != nb)
      fail("contracted dimensions need to match, but first has size ", na, " in dim ", dims_self[i],
           " and second has size ", nb, " in dim ", dims_other[i]);
    dims_a.push_back(da);
    dims_b.push_back(db);
  }
  for (auto [dims, used] : {std::pair{&dims_a, &used_a}, {&dims_b, &used_b}})
    for (int64_t d : *dims) {
      if (used->empty()) used->resize(1, false);
      if ((*used)[static_cast<size_t>(d)]) fail("dim ", d, " appears multiple times in the list of dims");
      (*used)[static_cast<size_t>(d)] = true;
    }
  if (a.dim() == 0 && !dims_a.empty()) a = unsqueeze(a, 0);
  if (b.dim() == 0 && !dims_b.empty()) b = unsqueeze(b, 0);
  if (!alone_a.empty()) a = sum(a, IntSpan(alone_a), true, a.dtype());
  if (!alone_b.empty()) b = sum(b, IntSpan(alone_b), true, b.dtype());

  DimVector order_a, order_b = dims_b, sizes;
  for (int64_t d = 0; d < a.dim(); ++d)
    if (!used_a[static_cast<size_t>(d)]) order_a.push_back(d), sizes.push_back(a.sizes()[d]);
  const int64_t rows = product_of(a.sizes(), order_a), inner = product_of(a.sizes(), dims_a);
  DimVector free_b;
  for (int64_t d = 0; d < b.dim(); ++d)
    if (!used_b[static_cast<size_t>(d)]) free_b.push_back(d), sizes.push_back(b.sizes()[d]);
  const int64_t cols = product_of(b.sizes(), free_b);
  for (int64_t d : dims_a) order_a.push_back(d);
  for (int64_t d : free_b) order_b.push_back(d);
  const int64_t sizes_a[2] = {rows, inner}, sizes_b[2] = {inner, cols};
  return reshape(mm(reshape(permute(a, order_a), sizes_a), reshape(permute(b, order_b), sizes_b)), sizes);
}

}  // namespace rushlight
