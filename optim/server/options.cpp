#include <tapestry/optim/server/options.h>

#include <algorithm>
#include <cmath>

#include <tapestry/optim/server/communicator.h>

namespace tapestry {

const char* name_of(UpdatePolicy policy) {
  constexpr const char* kNames[] = {"async", "sync", "ssp", "hogwild", "critical", "critical_push"};
  return kNames[static_cast<int>(policy)];
}

bool ServerOptions::ranked() const { return ranks.communicator && ranks.communicator->size() > 1; }

void check(const ServerOptions& options, std::span<const NamedParameter> parameters) {
  require<ValueError>(options.workers >= 1 && options.workers <= 65535,
                      "ParameterServer: ", options.workers, " workers, expected 1 to 65535");
  require<ValueError>(options.shards >= 1, "ParameterServer: ", options.shards,
                      " shards, expected at least 1");
  require<ValueError>(options.staleness >= 0, "ParameterServer: a staleness of ", options.staleness,
                      ", expected at least 0");
  require<ValueError>(options.clip_norm >= 0 && std::isfinite(options.clip_norm),
                      "ParameterServer: clip_norm is ", options.clip_norm,
                      ", expected a finite number of at least 0");
  const RankOptions& ranks = options.ranks;
  require<ValueError>(!options.ranked() || options.local() || options.update == UpdatePolicy::sync,
                      "ParameterServer: ranks that are synchronous need synchronous workers (give "
                      ".update = UpdatePolicy::sync)");
  require<ValueError>(ranks.every >= 1, "ParameterServer: an exchange every ", ranks.every,
                      " items, expected at least 1");
  require<ValueError>(ranks.rate > 0 && std::isfinite(ranks.rate), "ParameterServer: the rate of ",
                      "exchanges is ", ranks.rate, ", expected a finite number above 0");
  require<ValueError>(ranks.momentum >= 0 && ranks.momentum < 1,
                      "ParameterServer: the momentum of exchanges is ", ranks.momentum,
                      ", expected 0 <= momentum < 1");
  require<ValueError>(options.workers == 1 || (!ranks.log && !ranks.replay),
                      "ParameterServer: rounds are recorded and replayed with one worker");
  for (const Parameter* shared : options.shared) {
    const auto same = [&](const NamedParameter& named) {
      return shared && named.parameter->ref().get() == shared->ref().get();
    };
    require<ValueError>(std::any_of(parameters.begin(), parameters.end(), same),
                        "ParameterServer: `shared` has a pointer to no parameter of the model "
                        "(give &model.NAME of it)");
  }
}

}  // namespace tapestry
