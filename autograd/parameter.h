#pragma once
// Parameter: a value to be trained and its gradient, on the heap behind a handle (a "leaf").
//
// A copy makes a new leaf with copied values: that is how models become replicas. A move keeps the
// leaf. Copy assignment between equal shapes copies values into the same leaf, so `model = best`
// keeps optimizers and servers valid. A default-constructed Parameter is absent: FIELDS skips it.

#include <atomic>
#include <string>

#include <tapestry/autograd/grad.h>

namespace tapestry {

/// The heap object behind a Parameter; shared with the tapes that recorded it.
struct Leaf {
  std::atomic<uint32_t> refs{0};
  Tensor value, dense;
  RowList rows;
  bool frozen = false;        // no gradient is recorded
  bool held = false;          // something outside applies its gradient, and needs its shape
  RowGuard* guard = nullptr;  // other threads update the value: it is read by rows, under this

  /// Throws TapeError: a guarded value was asked for as a whole.
  [[noreturn]] void refuse() const;
  Grad grad() { return {&dense, &rows, value.shape(), value.dtype()}; }
};

/// A counted handle to a Leaf.
class LeafRef {
 public:
  LeafRef() = default;
  explicit LeafRef(Leaf* leaf) : leaf_(leaf) {
    if (leaf_) leaf_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  LeafRef(const LeafRef& other) : LeafRef(other.leaf_) {}
  LeafRef(LeafRef&& other) noexcept : leaf_(std::exchange(other.leaf_, nullptr)) {}
  LeafRef& operator=(LeafRef other) noexcept {
    std::swap(leaf_, other.leaf_);
    return *this;
  }
  ~LeafRef() {
    if (leaf_ && leaf_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete leaf_;
  }
  Leaf* get() const { return leaf_; }
  Leaf* operator->() const { return leaf_; }
  explicit operator bool() const { return leaf_ != nullptr; }

 private:
  Leaf* leaf_ = nullptr;
};

class Parameter {
 public:
  Parameter() = default;
  explicit Parameter(Tensor value) : leaf_(new Leaf) { leaf_->value = std::move(value); }
  Parameter(const Parameter& other);
  Parameter(Parameter&&) noexcept = default;
  Parameter& operator=(Parameter&&) noexcept = default;
  /// Throws ShapeError when this parameter is held (see Leaf) and the shapes differ.
  Parameter& operator=(const Parameter& other);

  bool defined() const { return static_cast<bool>(leaf_); }
  /// Throws TapeError for a value that other threads update (see Var::guarded).
  const Tensor& value() const { return whole(leaf()); }
  /// Writable: a change made here is seen by every user of this leaf.
  Tensor& value() { return whole(leaf()); }
  Guarded guarded() const { return {leaf().value, leaf().guard}; }
  const Shape& shape() const { return leaf().value.shape(); }
  Grad grad() const { return leaf().grad(); }

  /// A frozen parameter gets no gradient and is not updated.
  void freeze(bool frozen = true) { leaf().frozen = frozen; }

  /// A parameter over the same values with a gradient of its own: what a worker that must not copy
  /// large values uses.
  Parameter share() const { return Parameter(value()); }

  const LeafRef& ref() const { return leaf_; }

 private:
  static Tensor& whole(Leaf& leaf) {
    if (leaf.guard) [[unlikely]]
      leaf.refuse();
    return leaf.value;
  }
  Leaf& leaf() const {
    require(defined(), "an empty Parameter was used (moved from, or never initialised)");
    return *leaf_.get();
  }
  LeafRef leaf_;
};

/// While one lives, Parameters that are copied on this thread have the same values, not copies of
/// them: what share() of a module does.
class SharedValues {
 public:
  SharedValues() : before_(std::exchange(on, true)) {}
  ~SharedValues() { on = before_; }
  SharedValues(const SharedValues&) = delete;
  SharedValues& operator=(const SharedValues&) = delete;
  inline static constinit thread_local bool on = false;

 private:
  bool before_;
};

/// A parameter and its path in the model, such as "rnn.cells.0.w_ih".
struct NamedParameter {
  std::string name;
  Parameter* parameter;
};

inline void Leaf::refuse() const {
  fail<TapeError>("a ", value.shape(),
                  " value that other threads update was read as a whole (use an op that reads it "
                  "by rows, see Var::guarded, or give this thread a copy)");
}

inline Parameter::Parameter(const Parameter& other) {
  if (!other.defined()) return;
  *this = Parameter(SharedValues::on ? other.value() : other.value().clone());
  leaf_->frozen = other.leaf_->frozen;
}

inline Parameter& Parameter::operator=(const Parameter& other) {
  if (this == &other) return *this;
  const bool fits = defined() && other.defined() && shape() == other.shape() &&
                    value().dtype() == other.value().dtype();
  if (fits) {
    leaf_->value.copy_(other.value());
    return *this;
  }
  require<ShapeError>(!defined() || !leaf_->held,
                      "a parameter whose gradient something applies cannot change from ",
                      leaf_ ? leaf_->value.shape() : Shape{}, " to ",
                      other.defined() ? other.shape() : Shape{});
  return *this = Parameter(other);
}

}  // namespace tapestry
