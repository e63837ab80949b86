// Text files: two bytes of settings, then the file. What is accepted survives a vocabulary file.

#include <tapestry/examples/lm/text/text.h>
#include <tapestry/examples/lm/text/vocabulary.h>

#include "fuzz.h"

using namespace tapestry::lm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  TextSettings settings;
  settings.tokenizer = fuzz::choose({"space", "word", "char"}, data[0]);
  settings.on_bad_utf8 = fuzz::choose({"error", "replace", "skip"}, data[0] / 4);
  settings.normalize = fuzz::choose({"nfc", "none"}, data[0] / 16);
  settings.lower = data[1] & 1;
  settings.split_sentences = data[1] & 2;
  const fuzz::File file(fuzz::text_of(data + 2, size - 2));
  fuzz::accepts([&] {
    const Corpus corpus = read_sentences({file.path()}, settings);
    int64_t longest = 0;
    for (int32_t type = 0; type < corpus.types.size(); ++type) {
      const std::string& token = corpus.types.token(type);
      fuzz::check(!token.empty() && first_bad_byte(token) == token.size());
      longest += static_cast<int64_t>(token.size());
    }
    fuzz::check(corpus.bytes >= corpus.sentences() && longest <= corpus.bytes);
    const Vocabulary saved = Vocabulary::build(corpus);
    const std::string path = "/dev/shm/tapestry-fuzz-" + std::to_string(getpid());
    saved.save(path);
    const Vocabulary loaded = Vocabulary::load(path);
    unlink(path.c_str());
    fuzz::check(loaded.size() == saved.size());
    for (int32_t id = 0; id < saved.size(); ++id)
      fuzz::check(loaded.token(id) == saved.token(id) && loaded.count(id) == saved.count(id));
  });
  return 0;
}
