#pragma once
// RowSum: the sum over ranks of what each has changed of some tables, rows that nobody changed left
// out. Each rank owns a part of the rows: it gets what the others changed there, adds that up in
// the order of ranks, whatever came first, and hands the result to all. A rank sends and receives
// twice the changed rows, however many ranks there are.

#include <tapestry/optim/server/communicator.h>
#include <tapestry/optim/server/outer.h>

namespace tapestry {

class RowSum {
 public:
  /// `now` less `base` (undefined: less 0) is what this rank changed of a table (rows, width).
  /// Contiguous, f32 or f64, and of equal shapes on all ranks.
  struct Table {
    Tensor now, base;
  };

  /// The rows of a table that a rank owns: blocks, dealt out in turn, so that it is as much for all
  /// where some rows change more than others (frequent words come first). An exchange lasts as long
  /// as that of the rank with most.
  struct Part {
    int64_t rows, owner = 0, ranks = 1;  // of the table
    static constexpr int64_t kBlock = 16;
    int64_t count() const {
      const int64_t turn = kBlock * ranks, left = rows % turn - kBlock * owner;
      return rows / turn * kBlock + (left < 0 ? 0 : left < kBlock ? left : kBlock);
    }
    int64_t row(int64_t k) const { return (k / kBlock * ranks + owner) * kBlock + k % kBlock; }
  };

  RowSum(Communicator& ranks, std::vector<Table> tables);

  /// Begins to sum what the tables hold now. Each rank's `head` goes to all before it.
  void start(std::span<const std::byte> head);
  /// Goes on; true once the result is here. When all heads are here it asks for the outer step.
  bool step(const std::function<Outer(const std::vector<Bytes>& heads)>& outer);

  /// Calls f(table, first row, count, values): the result, a run of rows at a time, where it is not
  /// zero; `values` are numbers of the table's type.
  using Visit = std::function<void(size_t table, int64_t first, int64_t count, const void* values)>;
  void visit(const Visit& f) const;

 private:
  enum class Stage { idle, to_owners, to_all };

  Part part(size_t table, int owner) const;
  void add(const Bytes& from, double weight, bool diverse);
  void scale_diverse();
  void apply_momentum(double momentum);
  Bytes result() const;

  Communicator& ranks_;
  std::vector<Table> tables_;
  std::vector<Bytes> out_, in_, heads_;
  size_t head_bytes_ = 0;
  Stage stage_ = Stage::idle;
  // Of the rows owned here, of each table:
  std::vector<Tensor> sums_, momenta_;
  std::vector<std::vector<char>> touched_;
  std::vector<std::vector<double>> squares_;
};

}  // namespace tapestry
