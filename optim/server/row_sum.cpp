#include <tapestry/optim/server/row_sum.h>

#include <algorithm>

namespace tapestry {
namespace {

// Rows in a message, for each table: how many (kAll: the whole part), unless all their numbers
// within the part, then their values.
constexpr int64_t kAll = -1;

/// A part of the table, less its base.
struct Changes {
  const RowSum::Table& table;
  RowSum::Part part;
  int64_t rows = part.count();
  int64_t width() const { return table.now.size(1); }

  template <class T>
  const T* now(int64_t row) const {
    return table.now.data<T>() + part.row(row) * width();
  }
  template <class T>
  const T* base(int64_t row) const {
    return table.base.defined() ? table.base.data<T>() + part.row(row) * width() : nullptr;
  }
};

template <class T>
std::vector<char> changed(const Changes& c) {
  std::vector<char> out(static_cast<size_t>(c.rows));
  for (int64_t r = 0; r < c.rows; ++r) {
    const T *now = c.now<T>(r), *base = c.base<T>(r);
    out[static_cast<size_t>(r)] =
        base ? !std::equal(now, now + c.width(), base)
             : std::any_of(now, now + c.width(), [](T x) { return x != 0; });
  }
  return out;
}

/// Appends the rows that are marked.
template <class T>
void put_rows(Bytes& to, const Changes& c, const std::vector<char>& marks) {
  const auto count = std::count(marks.begin(), marks.end(), 1);
  const auto width = static_cast<size_t>(c.width()), row_bytes = width * sizeof(T);
  const bool all = count > 0 && static_cast<size_t>(count) * (row_bytes + sizeof(int32_t)) >=
                                    static_cast<size_t>(c.rows) * row_bytes;
  Packer packer(to);
  packer.put<int64_t>(all ? kAll : count);
  for (int64_t r = 0; !all && r < c.rows; ++r)
    if (marks[static_cast<size_t>(r)]) packer.put(static_cast<int32_t>(r));
  const size_t n = static_cast<size_t>(all ? c.rows : count);
  size_t at = to.size();
  to.resize(at + n * row_bytes);
  std::vector<T> line(width);
  for (int64_t r = 0; r < c.rows; ++r) {
    if (!all && !marks[static_cast<size_t>(r)]) continue;
    const T *now = c.now<T>(r), *base = c.base<T>(r);
    if (base)
      for (size_t k = 0; k < width; ++k) line[k] = now[k] - base[k];
    std::memcpy(to.data() + at, base ? line.data() : now, row_bytes);
    at += row_bytes;
  }
}

/// Takes the rows of a part out of a message: calls f(first row in the part, count, values) for
/// each run of them.
template <class T, class F>
void take_rows(Unpacker& from, int64_t rows, int64_t width, F&& f) {
  const auto count = from.get<int64_t>();
  std::vector<int32_t> ids(static_cast<size_t>(std::max<int64_t>(0, count)));
  from.get(std::span(ids));
  const size_t n = count == kAll ? static_cast<size_t>(rows) : ids.size();
  std::vector<T> values(n * static_cast<size_t>(width));
  from.get(std::span(values));
  if (count == kAll) return f(int64_t{0}, rows, values.data());
  for (size_t begin = 0, end = 0; begin < n; begin = end) {
    for (end = begin + 1; end < n && ids[end] == ids[end - 1] + 1;) ++end;
    f(int64_t{ids[begin]}, static_cast<int64_t>(end - begin),
      values.data() + begin * static_cast<size_t>(width));
  }
}

}  // namespace

RowSum::RowSum(Communicator& ranks, std::vector<Table> tables)
    : ranks_(ranks), tables_(std::move(tables)) {
  const auto n = static_cast<size_t>(ranks.size());
  out_.resize(n), in_.resize(n), heads_.resize(n);
  for (size_t i = 0; i < tables_.size(); ++i) {
    const int64_t own = part(i, ranks.rank()).count();
    const Tensor& now = tables_[i].now;
    sums_.push_back(Tensor::zeros({own, now.size(1)}, now.dtype()));
    touched_.emplace_back(static_cast<size_t>(own));
    squares_.emplace_back(static_cast<size_t>(own));
  }
}

RowSum::Part RowSum::part(size_t table, int owner) const {
  return {tables_[table].now.size(0), owner, ranks_.size()};
}

void RowSum::start(std::span<const std::byte> head) {
  head_bytes_ = head.size();
  for (size_t r = 0; r < out_.size(); ++r) {
    out_[r].assign(head.begin(), head.end());
    for (size_t i = 0; i < tables_.size(); ++i) {
      const Changes changes{tables_[i], part(i, static_cast<int>(r))};
      dispatch("exchange", tables_[i].now.dtype(), [&](auto zero) {
        using T = decltype(zero);
        put_rows<T>(out_[r], changes, changed<T>(changes));
      });
    }
  }
  ranks_.start(out_, in_);
  stage_ = Stage::to_owners;
}

bool RowSum::step(const std::function<Outer(const std::vector<Bytes>&)>& outer) {
  if (stage_ == Stage::idle) return true;
  if (!ranks_.done()) return false;
  if (stage_ == Stage::to_all) {
    stage_ = Stage::idle;
    return true;
  }
  for (size_t r = 0; r < in_.size(); ++r)
    heads_[r].assign(in_[r].begin(), in_[r].begin() + static_cast<std::ptrdiff_t>(head_bytes_));
  const Outer step = outer(heads_);
  for (size_t i = 0; i < sums_.size(); ++i) {
    sums_[i].fill_(0);
    std::fill(touched_[i].begin(), touched_[i].end(), 0);
    std::fill(squares_[i].begin(), squares_[i].end(), 0);
  }
  for (size_t r = 0; r < in_.size(); ++r) add(in_[r], step.weights[r], step.diverse);
  if (step.diverse) scale_diverse();
  if (step.momentum > 0) apply_momentum(step.momentum);
  std::fill(out_.begin(), out_.end(), result());
  ranks_.start(out_, in_);
  stage_ = Stage::to_all;
  return false;
}

void RowSum::add(const Bytes& from, double weight, bool diverse) {
  Unpacker unpacker(from);
  std::vector<std::byte> head(head_bytes_);
  unpacker.get(std::span(head));
  for (size_t i = 0; i < sums_.size(); ++i)
    dispatch("exchange", sums_[i].dtype(), [&](auto zero) {
      using T = decltype(zero);
      const int64_t width = sums_[i].size(1);
      take_rows<T>(unpacker, sums_[i].size(0), width, [&](int64_t first, int64_t n, const T* x) {
        std::fill_n(touched_[i].begin() + first, n, 1);
        add_change(sums_[i].template data<T>() + first * width, x, n * width, weight);
        if (diverse)
          add_squares(
              std::span(squares_[i]).subspan(static_cast<size_t>(first), static_cast<size_t>(n)), x,
              width);
      });
    });
}

void RowSum::scale_diverse() {
  for (size_t i = 0; i < sums_.size(); ++i)
    dispatch("exchange", sums_[i].dtype(), [&](auto zero) {
      scale_by_diversity(squares_[i], sums_[i].data<decltype(zero)>(), sums_[i].size(1));
    });
}

void RowSum::apply_momentum(double momentum) {
  for (size_t i = 0; i < sums_.size(); ++i) {
    if (momenta_.size() == i) momenta_.push_back(Tensor::zeros(sums_[i].shape(), sums_[i].dtype()));
    momenta_[i].mul_(momentum).add_(sums_[i]);
    sums_[i].copy_(momenta_[i]);
    std::fill(touched_[i].begin(), touched_[i].end(), 1);
  }
}

Bytes RowSum::result() const {
  Bytes out;
  for (size_t i = 0; i < sums_.size(); ++i)
    dispatch("exchange", sums_[i].dtype(), [&](auto zero) {
      const Table table{sums_[i], {}};
      put_rows<decltype(zero)>(out, {table, {sums_[i].size(0)}}, touched_[i]);
    });
  return out;
}

void RowSum::visit(const Visit& f) const {
  for (size_t r = 0; r < in_.size(); ++r) {
    Unpacker unpacker(in_[r]);
    for (size_t i = 0; i < tables_.size(); ++i)
      dispatch("exchange", tables_[i].now.dtype(), [&](auto zero) {
        using T = decltype(zero);
        const Part p = part(i, static_cast<int>(r));
        const int64_t width = tables_[i].now.size(1);
        take_rows<T>(unpacker, p.count(), width, [&](int64_t first, int64_t n, const T* x) {
          for (int64_t k = first, end = first + n, next = 0; k < end; k = next) {
            next = std::min(end, (k / Part::kBlock + 1) * Part::kBlock);
            f(i, p.row(k), next - k, x + (k - first) * width);
          }
        });
      });
  }
}

}  // namespace tapestry
