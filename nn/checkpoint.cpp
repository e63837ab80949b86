#include <tapestry/nn/checkpoint.h>

#include <algorithm>
#include <locale>
#include <set>
#include <sstream>

namespace tapestry {
namespace {

struct Mismatch {
  std::string name, what;
};

std::string difference(const Tensor& file, const Tensor& model) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  if (file.shape() != model.shape())
    text << "is " << file.shape() << " in the file and " << model.shape() << " in the model";
  else if (file.dtype() != model.dtype())
    text << "is " << file.dtype() << " in the file and " << model.dtype()
         << " in the model (load into cast(model, " << file.dtype() << ") and cast that)";
  return text.str();
}

}  // namespace

void copy_tensors(const NamedTensors& in, const std::string& prefix,
                  std::span<const NamedTensor> targets) {
  std::vector<Mismatch> wrong;
  std::set<std::string> expected;
  for (const NamedTensor& target : targets) {
    const std::string name = prefix + target.name;
    expected.insert(name);
    const auto found = in.tensors.find(name);
    const std::string what = found == in.tensors.end() ? "is missing from the file"
                                                       : difference(found->second, target.tensor);
    if (!what.empty()) wrong.push_back({name, what});
  }
  for (const auto& [name, tensor] : in.tensors)
    if (name.starts_with(prefix) && !expected.contains(name))
      wrong.push_back({name, "is in the file and not in the model"});

  if (wrong.size() == 1) fail<FormatError>("load: ", wrong[0].name, " ", wrong[0].what);
  if (!wrong.empty()) {
    constexpr size_t kMost = 12;
    size_t width = 0;
    const size_t shown = std::min(wrong.size(), kMost);
    for (size_t i = 0; i < shown; ++i) width = std::max(width, wrong[i].name.size());
    std::string table;
    for (size_t i = 0; i < shown; ++i)
      table += "\n  " + wrong[i].name + std::string(width - wrong[i].name.size() + 2, ' ') +
               wrong[i].what;
    if (shown < wrong.size()) table += "\n  and " + std::to_string(wrong.size() - shown) + " more";
    fail<FormatError>("load: ", wrong.size(), " tensors of the file and the model differ", table);
  }
  for (const NamedTensor& target : targets) {
    Tensor to = target.tensor;
    to.copy_(in.tensors.at(prefix + target.name));
  }
}

}  // namespace tapestry
