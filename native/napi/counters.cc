#include "napi/counters.h"

namespace frazil {

Napi::Value counters_view(Napi::Env env, const page::Counters& counters) {
  const std::pair<const char*, const std::atomic<uint64_t>*> fields[] = {
      {"bytesIn", &counters.bytes_in},
      {"bytesOut", &counters.bytes_out},
      {"bytesAbsorbed", &counters.bytes_absorbed},
      {"bytesSpilled", &counters.bytes_spilled},
      {"bytesUser", &counters.bytes_user},
      {"bytesPrepared", &counters.bytes_prepared},
      {"runs", &counters.runs},
      {"images", &counters.images},
      {"parentPages", &counters.parent_pages},
      {"zeroPages", &counters.zero_pages},
      {"sparsePages", &counters.sparse_pages},
      {"deduplicatedPages", &counters.deduplicated_pages},
      {"cpuNs", &counters.cpu_ns},
      {"stallNs", &counters.stall_ns},
  };
  Napi::Object view = Napi::Object::New(env);
  // A double is exact up to 2^53: eight PiB, or a hundred days of nanoseconds.
  for (const auto& [name, value] : fields) {
    view.Set(name, static_cast<double>(value->load(std::memory_order_relaxed)));
  }
  return view;
}

}  // namespace frazil
