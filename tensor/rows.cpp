#include <tapestry/tensor/rows.h>

#include <algorithm>
#include <numeric>

namespace tapestry {
namespace {

int64_t row_size(const Tensor& table) {
  return table.shape()[0] ? table.numel() / table.shape()[0] : 0;
}

}  // namespace

void require_rows(const char* op, const Tensor& ids, int64_t rows) {
  require_defined(op, ids);
  require<DTypeError>(ids.dtype() == i32, op, ": the ids are ", ids.dtype(),
                      ", expected i32 (cast; larger ids than 2147483647 have no type)");
  const Tensor flat = ids.to_contiguous();
  const int32_t* id = flat.data<int32_t>();
  for (int64_t i = 0, n = ids.numel(); i < n; ++i)
    require<IndexError>(id[i] >= 0 && id[i] < rows, op, ": ids[", i, "] = ", id[i],
                        " is outside a table of ", rows, " rows");
}

Tensor take_rows(const char* op, const Guarded& guarded, const Tensor& ids) {
  const Tensor& table = guarded.tensor;
  require_defined(op, table);
  require<ShapeError>(table.rank() >= 1, op, ": the table is a scalar, expected at least one dim");
  require_rows(op, ids, table.shape()[0]);
  Shape shape = ids.shape();
  for (int i = 1; i < table.rank(); ++i) shape = shape.with(shape.rank(), table.shape()[i]);
  const Tensor from = table.to_contiguous(), at = ids.to_contiguous();
  Tensor out = Tensor::empty(shape, table.dtype());
  const int64_t width = row_size(table);
  dispatch_any(table.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = ids.numel(); i < n; ++i) {
      const int64_t row = at.data<int32_t>()[i];
      const RowHold hold(guarded.guard, row, row + 1);
      std::copy_n(from.data<T>() + row * width, width, out.data<T>() + i * width);
    }
  });
  return out;
}

void add_rows_(Tensor& table, const Tensor& ids, const Tensor& rows, double scale) {
  require_same_dtype("add_rows_", table, rows);
  require<ShapeError>(table.contiguous(), "add_rows_: the table is a strided view");
  require_rows("add_rows_", ids, table.shape()[0]);
  const int64_t width = row_size(table);
  require<ShapeError>(rows.numel() == ids.numel() * width, "add_rows_: rows ", rows.shape(),
                      " do not fit ids ", ids.shape(), " of a table ", table.shape());
  table.bump();
  const Tensor from = rows.to_contiguous(), at = ids.to_contiguous();
  dispatch("add_rows_", table.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T factor = static_cast<T>(scale);
    for (int64_t i = 0, n = ids.numel(); i < n; ++i) {
      T* to = table.data<T>() + at.data<int32_t>()[i] * width;
      const T* row = from.data<T>() + i * width;
      for (int64_t k = 0; k < width; ++k) to[k] += factor * row[k];
    }
  });
}

Rows coalesce(const Tensor& ids, const Tensor& rows) {
  require_defined("coalesce", ids);
  require_defined("coalesce", rows);
  require<DTypeError>(ids.dtype() == i32, "coalesce: the ids are ", ids.dtype(), ", expected i32");
  bool fits = rows.rank() >= ids.rank();
  for (int i = 0; fits && i < ids.rank(); ++i) fits = rows.shape()[i] == ids.shape()[i];
  require<ShapeError>(fits, "coalesce: rows ", rows.shape(), " do not fit ids ", ids.shape());
  const Tensor at = ids.to_contiguous(), from = rows.to_contiguous();
  const int32_t* id = at.data<int32_t>();
  const int64_t n = ids.numel(), width = n ? rows.numel() / n : 0;
  PoolVector<int32_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  // Equal ids stay in their order, so the sums do not depend on the sort.
  std::sort(order.begin(), order.end(),
            [id](int32_t a, int32_t b) { return id[a] != id[b] ? id[a] < id[b] : a < b; });
  int64_t distinct = 0;
  for (size_t i = 0; i < order.size(); ++i) distinct += i == 0 || id[order[i]] != id[order[i - 1]];

  Shape shape{distinct};
  for (int i = ids.rank(); i < rows.rank(); ++i) shape = shape.with(shape.rank(), rows.shape()[i]);
  Rows out{Tensor::empty({distinct}, i32), Tensor::empty(shape, rows.dtype())};
  dispatch("coalesce", rows.dtype(), [&](auto zero) {
    using T = decltype(zero);
    int64_t k = -1;
    for (size_t i = 0; i < order.size(); ++i) {
      const T* row = from.data<T>() + order[i] * width;
      if (i == 0 || id[order[i]] != id[order[i - 1]]) {
        out.ids.data<int32_t>()[++k] = id[order[i]];
        std::copy_n(row, width, out.values.data<T>() + k * width);
      } else {
        T* to = out.values.data<T>() + k * width;
        for (int64_t c = 0; c < width; ++c) to[c] += row[c];
      }
    }
  });
  return out;
}

}  // namespace tapestry
