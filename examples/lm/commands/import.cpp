// lm import: a run from a model that another program wrote.

#include <fmt/format.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/common/report.h>
#include <tapestry/examples/common/text.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/exchange.h>
#include <tapestry/examples/lm/model/npz.h>
#include <tapestry/examples/lm/run.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/examples/lm/training/position.h>

#include <algorithm>

namespace tapestry::lm {
namespace {

using app::ExitCode, app::UserError;

ModelTensors read_model(const std::string& path) {
  auto tensors = is_npz(path) ? read_npz(path) : read_safetensors(path).tensors;
  try {
    return from_other(std::move(tensors));
  } catch (const FormatError& e) {  // knows no files
    fail<FormatError>(path, ": ", e.what());
  }
}

/// The model's tokens in the order of its ids: of --vocab, else its numbers, where 0, 1 and 2 are
/// the special tokens unless options say otherwise.
std::vector<TokenCount> tokens_of(const ImportSettings& s, int64_t size) {
  if (s.vocab.empty()) {
    std::vector<TokenCount> out;
    for (int64_t id = 0; id < size; ++id) out.push_back({fmt::format("{}", id), 0});
    const bool named = !s.unknown.empty() || !s.begin.empty() || !s.end.empty();
    if (!named && size > 2) out[0].token = "<unk>", out[1].token = "<s>", out[2].token = "</s>";
    app::warn("lm", fmt::format("no --vocab: tokens are the numbers of their ids{}",
                                named ? "" : "; 0, 1 and 2 are the unknown, begin and end tokens"));
    return out;
  }
  std::vector<TokenCount> out = read_tokens(s.vocab, Counts::optional);
  require<FormatError>(static_cast<int64_t>(out.size()) == size, s.vocab, " has ", out.size(),
                       " tokens and the model of ", s.file, " has ", size,
                       " (is it the vocabulary of this model?)");
  return out;
}

/// A special token of the vocabulary, by the name that was given or the first of the usual ones
/// that it has; -1 where there is none.
int64_t find_special(const std::vector<TokenCount>& tokens, const std::string& given,
                     const char* option, const std::vector<std::string>& usual,
                     const ImportSettings& s) {
  const auto find = [&](const std::string& name) {
    const auto found = std::find_if(tokens.begin(), tokens.end(),
                                    [&](const TokenCount& t) { return t.token == name; });
    return found == tokens.end() ? int64_t{-1} : found - tokens.begin();
  };
  const std::string where = s.vocab.empty() ? "the model" : s.vocab;
  if (!given.empty()) {
    const int64_t id = find(given);
    if (id < 0)
      throw UserError(ExitCode::bad_data, fmt::format("{} has no token '{}'", where, given),
                      fmt::format("name one of its tokens with {}", option));
    return id;
  }
  for (const std::string& name : usual)
    if (const int64_t id = find(name); id >= 0) return id;
  return -1;
}

/// Rows of the model in the order of a vocabulary: unknown, begin, end, then the others.
struct Order {
  std::vector<int64_t> rows;
  bool begin_is_end = false;  // the model knows one token for both
};

Order order_of(const std::vector<TokenCount>& tokens, const ImportSettings& s) {
  const auto missing = [&](const char* what, const char* option) {
    return UserError(ExitCode::bad_data,
                     fmt::format("{} has no {} token of a usual name",
                                 s.vocab.empty() ? "the model" : s.vocab, what),
                     fmt::format("name it with {}", option));
  };
  const int64_t unknown = find_special(
      tokens, s.unknown, "--unk",
      {"<unk>", "<UNK>", "[UNK]", "UNK", "unk", "UNKNOWN_TOKEN", "<unknown>", "<oov>"}, s);
  const int64_t end = find_special(
      tokens, s.end, "--eos",
      {"</s>", "<eos>", "<EOS>", "[EOS]", "</S>", "[SEP]", "EOS", "SENTENCE_END", "<end>"}, s);
  int64_t begin = find_special(tokens, s.begin, "--bos",
                               {"<s>", "<bos>", "<BOS>", "[BOS]", "<S>", "[CLS]", "BOS",
                                "SENTENCE_START", "<start>", "<sos>", "<SOS>"},
                               s);
  if (unknown < 0) throw missing("unknown", "--unk");
  if (end < 0) throw missing("end", "--eos");
  Order out;
  out.begin_is_end = begin < 0 || begin == end;
  if (begin < 0) begin = end;
  if (unknown == end || unknown == begin)
    throw UserError(ExitCode::usage,
                    fmt::format("'{}' cannot be the unknown token and another",
                                tokens[static_cast<size_t>(unknown)].token),
                    "name different tokens with --unk, --bos, --eos");
  out.rows = {unknown, begin, end};
  for (int64_t id = 0; id < static_cast<int64_t>(tokens.size()); ++id)
    if (id != unknown && id != begin && id != end) out.rows.push_back(id);
  return out;
}

Vocabulary vocabulary_of(std::vector<TokenCount> tokens, const Order& order) {
  const SpecialTokens names;
  std::vector<TokenCount> out;
  for (const int64_t row : order.rows) out.push_back(tokens[static_cast<size_t>(row)]);
  out[0].token = names.unknown, out[1].token = names.begin, out[2].token = names.end;
  return Vocabulary(out);
}

}  // namespace

void add_options(app::Command& command, ImportSettings& s) {
  command.add_option("FILE", s.file, "FILE.npz (U, V, W) or FILE.safetensors (PyTorch)")
      ->required();
  command.add_option("-o,--output", s.output, "run directory")->required();
  command.add_option("--vocab", s.vocab,
                     "its vocabulary: a token, or token, tab, count, for each id in order");
  const std::string common = "token of its vocabulary (default: the first of the usual names)";
  command.add_option("--unk", s.unknown, "the unknown " + common);
  command.add_option("--bos", s.begin, "the begin " + common);
  command.add_option("--eos", s.end, "the end " + common);
  command.add_flag("--overwrite", s.overwrite, "replace the run in the output directory");
  add_text_options(command, s.text);
  command.footer(
      "A model without a begin token begins a sentence behind the end token of another. Without "
      "--vocab,\ntokens are the numbers of their ids. The other options say how its text was "
      "read.\nExample: lm import model.safetensors --vocab vocab.txt -o imported");
}

app::ExitCode import_model(const ImportSettings& s) {
  ModelTensors model = read_model(s.file);
  std::vector<TokenCount> tokens = tokens_of(s, model.shape.vocabulary);
  const Order order = order_of(tokens, s);
  const Vocabulary vocabulary = vocabulary_of(std::move(tokens), order);
  reorder(model, order.rows);
  if (order.begin_is_end) {
    forbid(model, Vocabulary::begin);
    app::warn("lm", "no begin token: a sentence begins behind the end token of another");
  }
  TrainSettings settings;
  settings.input.files = {s.file};  // a text takes its place when the run is trained further
  settings.input.text = s.text;
  settings.model = model.shape;
  settings.dtype = model.dtype;
  resolve(settings);
  const app::RunDirectory directory(
      s.output, run_files(), s.overwrite ? app::IfRunExists::overwrite : app::IfRunExists::refuse);
  const std::filesystem::path vocab = directory / "vocab.txt";
  settings.input.files.clear();
  settings.input.vocab = std::filesystem::absolute(vocab).string();
  vocabulary.save(vocab.string());
  app::write_atomically(directory / "config.json", config_text(settings));
  NamedTensors state;
  for (const auto& [name, tensor] : model.tensors) state.tensors["model." + name] = tensor;
  Position().save(state);
  CheckpointWriter(directory, 1).write(std::move(state), 0, true);
  fmt::print("{}\nrun {}\n", describe_model(settings), s.output);
  return app::ExitCode::ok;
}

}  // namespace tapestry::lm
