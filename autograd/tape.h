#pragma once
// Tape: while one is alive, the ops of its thread are recorded; backward() runs them in reverse.
//
//   Tape tape;                       // one per thread; a second one throws
//   Var loss = model.loss(batch);
//   tape.backward(loss);             // ADDS into Parameter::grad(), frees saved tensors as it goes
//
// An op is one function that returns record(name, value, wrt(input, rule, saved...)...). A rule is
// a lambda that captures nothing (checked); what it needs is listed after it: tensors are saved and
// version-checked when read back, anything else must be trivially destructible and is copied into
// an arena. What the rule of an input that needs no gradient would save is dropped. Forms of a
// rule:
//   (const Tensor& dy, saved...) -> Tensor          the contribution; broadcasting is undone here
//   (Grad& dx, const Tensor& dy, saved...)          accumulates by itself
//   (const Tensor& dy, Grad&..., saved...)          joint rule of wrt(jointly(a, b, ...), ...)
//
// The tape is flat: nodes in creation order (so backward is a descending loop), rules, saved
// tensors, an arena. Its buffers are kept per thread, so a warm step allocates nothing. It does not
// own output values: a temporary that no rule saved is freed at its semicolon.

#include <span>
#include <string>
#include <tuple>

#include <tapestry/autograd/observer.h>
#include <tapestry/autograd/tape_buffers.h>

namespace tapestry {

namespace detail {

template <class T>
inline constexpr bool is_tensor = std::is_same_v<std::remove_cvref_t<T>, Tensor>;

template <size_t N, class F, class... A>
struct Wrt {
  std::array<const Var*, N> inputs;
  std::tuple<const A&...> listed;
};
template <class F, class Extra>
struct WrtEach {
  std::span<const Var> inputs;
  std::span<const Extra> extras;
};
template <size_t N>
struct Jointly {
  std::array<const Var*, N> inputs;
};
template <class F>
constexpr void check_rule() {
  static_assert(std::is_empty_v<F>,
                "wrt: a gradient rule captures nothing; list what it needs after it (tensors are "
                "saved and version-checked, numbers are copied)");
}

}  // namespace detail

/// With respect to one input: its rule, and what the rule needs.
template <class F, class... A>
auto wrt(const Var& input, F, const A&... listed) {
  detail::check_rule<F>();
  return detail::Wrt<1, F, A...>{{&input}, std::tie(listed...)};
}
/// Several inputs whose gradients share work; the joint rule sees one Grad each (see wanted()).
template <class... V>
detail::Jointly<sizeof...(V)> jointly(const V&... inputs) {
  return {{&inputs...}};
}
template <size_t N, class F, class... A>
auto wrt(detail::Jointly<N> inputs, F, const A&... listed) {
  detail::check_rule<F>();
  return detail::Wrt<N, F, A...>{inputs.inputs, std::tie(listed...)};
}
/// Any number of inputs, each with one plain struct: rule (dy, extra) -> Tensor.
template <class F, class Extra>
auto wrt_each(std::span<const Var> inputs, F, std::span<const Extra> extras) {
  detail::check_rule<F>();
  return detail::WrtEach<F, Extra>{inputs, extras};
}

class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Suspends recording on this thread until the end of its scope.
  class Pause {
   public:
    Pause() : tape_(std::exchange(recording.tape, nullptr)) {}
    ~Pause() { recording.tape = tape_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Tape* tape_;
  };

  /// Adds d loss / d parameter into every parameter that was used. Once per tape.
  /// Throws ShapeError unless loss is a scalar, TapeError unless it was recorded here.
  void backward(const Var& loss);

  /// One line per recorded op: number, name, shape, inputs, bytes saved.
  void print(std::ostream& out) const;

  /// Whether a Tape records on this thread and `v` needs a gradient.
  static bool wants(const Var& v) {
    return recording.tape && (v.leaf_ ? !v.leaf_->frozen : v.serial_ != 0);
  }

  size_t size() const { return buffers_->nodes.size(); }
  /// The names of the recorded ops, in order.
  std::vector<std::string> names() const;

  // A transition applied to all time steps at once, from given previous states, whose backward pass
  // lets each row's error flow back through at most `steps` earlier rows of its sequence. Between
  // begin and end the caller computes the next state of every row from the returned placeholders.
  //   begin: previous states (rows, ...) -> placeholders
  //   end: next states -> the same values, to be used from here on. `initial` are the Vars whose
  //   values were the previous states of the first initial_rows rows; `previous` holds for each
  //   other row the row one step earlier in its sequence.
  static PoolVector<Var> begin_transition(std::span<const Tensor> states);
  static PoolVector<Var> end_transition(std::span<const Var> next, std::span<const Var> initial,
                                        const Tensor& previous, int64_t steps);

  // Used by record().
  template <class... W>
  void record_node(Var& out, const char* name, const W&... w);

 private:
  friend class Observer;
  using Target = detail::Target;
  using Rule = detail::Rule;

  Target target_of(const char* name, int input, const Var& v) const;
  void add_node(Var& out, const char* name);
  size_t saved_by(const Var& last) const;  // bytes kept for the rules of the op recorded last
  void keep_target(const Target& t);
  const Tensor& saved(uint32_t index) const;
  bool wanted(const Target& t) const {
    return t.leaf ? !inside_
                  : t.node != Target::kNone && t.node >= low_ && t.node - hidden_ >= hidden_count_;
  }
  Grad grad_of(const Target& t);
  const Shape& shape_of(const Target& t) const;
  void add_contribution(const Target& t, Tensor d);
  void run_rules(size_t node, const Tensor& dy);
  void show_gradients(size_t node);
  void horizon_passes(const detail::Transition& transition);
  void release_targets(size_t begin);
  void roll_back(size_t rules, size_t saved, size_t targets);
  void clear();

  template <size_t N, class F, class... A>
  void add(const char* name, int& input, const detail::Wrt<N, F, A...>& w);
  template <class F, class Extra>
  void add(const char* name, int& input, const detail::WrtEach<F, Extra>& w);
  template <size_t N, class F, class... A>
  static void run(Tape& tape, const Rule& rule, const Tensor& dy);
  template <class F, class Extra>
  static void run_each(Tape& tape, const Rule& rule, const Tensor& dy);

  uint64_t serial_;
  bool done_ = false;
  std::unique_ptr<detail::Buffers> buffers_;

  // While backward runs: where we are, and which targets a transition hides.
  const char* running_ = "";
  size_t running_node_ = 0;
  bool inside_ = false;  // in a horizon pass: nothing flows out of the transition
  uint32_t low_ = 0;     // nodes below are unwanted
  uint32_t hidden_ = 0, hidden_count_ = 0;  // nodes [hidden_, +count) are unwanted
  bool touched_tracked_ = false, touched_untracked_ = false;
  Shape untracked_shape_;
};

/// The result of an op: its value, and, while a Tape records, how to reverse it.
template <class... W>
Var record(const char* name, Tensor value, const W&... w) {
  Var out(std::move(value));
  if (recording.tape) recording.tape->record_node(out, name, w...);
  if (recording.observer) [[unlikely]]
    Observer::notify(name, out);
  return out;
}

// ------------------------------------------------------------------------------------------------

template <class... W>
void Tape::record_node(Var& out, const char* name, const W&... w) {
  require<TapeError>(!done_, name, ": this Tape has already run backward (end its scope first)");
  const size_t rules = buffers_->rules.size(), saved = buffers_->saved.size(),
               targets = buffers_->targets.size();
  [[maybe_unused]] int input = 0;
  try {
    (add(name, input, w), ...);
  } catch (...) {  // else the next op would inherit these rules
    roll_back(rules, saved, targets);
    throw;
  }
  if (buffers_->rules.size() != rules) add_node(out, name);  // else a constant
}

template <size_t N, class F, class... A>
void Tape::add(const char* name, int& input, const detail::Wrt<N, F, A...>& w) {
  using Numbers = std::tuple<std::conditional_t<detail::is_tensor<A>, char, A>...>;
  static_assert(std::is_trivially_destructible_v<Numbers>,
                "wrt: list tensors and plain numbers only");
  detail::Buffers& b = *buffers_;
  std::array<Target, N> targets;
  bool any = false;
  for (size_t i = 0; i < N; ++i) {
    targets[i] = target_of(name, ++input, *w.inputs[i]);
    any |= targets[i].any();
  }
  if (!any) return;  // dropped, with what it would have saved
  const auto first_target = static_cast<uint32_t>(b.targets.size());
  const auto first_saved = static_cast<uint32_t>(b.saved.size());
  for (const Target& t : targets) keep_target(t);
  const void* numbers = nullptr;
  std::apply(
      [&](const auto&... listed) {
        [[maybe_unused]] const auto save = [&](const auto& x) {
          if constexpr (detail::is_tensor<decltype(x)>) b.saved.push_back({x, x.version()});
        };
        (save(listed), ...);
        if constexpr ((!detail::is_tensor<A> || ...)) {
          [[maybe_unused]] const auto number = [](const auto& x) {
            if constexpr (detail::is_tensor<decltype(x)>)
              return char{};
            else
              return x;
          };
          numbers = new (b.arena.take(sizeof(Numbers))) Numbers(number(listed)...);
        }
      },
      w.listed);
  b.rules.push_back({&run<N, F, A...>, numbers, first_target, N, first_saved});
}

template <class F, class Extra>
void Tape::add(const char* name, int& input, const detail::WrtEach<F, Extra>& w) {
  static_assert(std::is_trivially_destructible_v<Extra>, "wrt_each: the extra is a plain struct");
  detail::Buffers& b = *buffers_;
  for (size_t i = 0; i < w.inputs.size(); ++i) {
    const Target target = target_of(name, ++input, w.inputs[i]);
    if (!target.any()) continue;
    const auto first_target = static_cast<uint32_t>(b.targets.size());
    keep_target(target);
    const void* extra = new (b.arena.take(sizeof(Extra))) Extra(w.extras[i]);
    b.rules.push_back({&run_each<F, Extra>, extra, first_target, 1, 0});
  }
}

template <size_t N, class F, class... A>
void Tape::run(Tape& tape, const Rule& rule, const Tensor& dy) {
  using Numbers = std::tuple<std::conditional_t<detail::is_tensor<A>, char, A>...>;
  [&]<size_t... I, size_t... J>(std::index_sequence<I...>, std::index_sequence<J...>) {
    // listed<I>: the next saved tensor, or the I-th number
    constexpr auto rank = [](size_t i) {
      [[maybe_unused]] size_t k = 0, n = 0;
      ((k++ < i ? n += detail::is_tensor<A> : n), ...);
      return static_cast<uint32_t>(n);
    };
    [[maybe_unused]] const auto listed = [&]<size_t K>() -> decltype(auto) {
      if constexpr (detail::is_tensor<std::tuple_element_t<K, std::tuple<A...>>>)
        return tape.saved(rule.saved + rank(K));
      else
        return (std::get<K>(*static_cast<const Numbers*>(rule.numbers)));
    };
    const Target* targets = tape.buffers_->targets.data() + rule.target;
    if constexpr (N > 1) {
      static_assert(std::is_invocable_v<F, const Tensor&,
                                        decltype((void)J, std::declval<Grad&>())..., const A&...>,
                    "jointly: the rule is (dy, Grad& per input..., what is listed...)");
      const std::array<Target, N> to{targets[J]...};
      std::array<Grad, N> grads{tape.grad_of(to[J])...};
      if ((grads[J].wanted() || ...)) F{}(dy, grads[J]..., listed.template operator()<I>()...);
    } else if constexpr (std::is_invocable_v<F, Grad&, const Tensor&, const A&...>) {
      Grad grad = tape.grad_of(*targets);
      if (grad.wanted()) F{}(grad, dy, listed.template operator()<I>()...);
    } else {
      static_assert(std::is_invocable_r_v<Tensor, F, const Tensor&, const A&...>,
                    "wrt: the rule is (dy, what is listed...) -> Tensor, or (Grad&, dy, what is "
                    "listed...)");
      const Target to = *targets;
      if (tape.wanted(to)) tape.add_contribution(to, F{}(dy, listed.template operator()<I>()...));
    }
  }
  (std::index_sequence_for<A...>{}, std::make_index_sequence<N>{});
}

template <class F, class Extra>
void Tape::run_each(Tape& tape, const Rule& rule, const Tensor& dy) {
  const Target to = tape.buffers_->targets[rule.target];
  if (tape.wanted(to)) tape.add_contribution(to, F{}(dy, *static_cast<const Extra*>(rule.numbers)));
}

}  // namespace tapestry
