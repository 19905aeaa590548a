#pragma once

#include <napi.h>

#include "page/counters.h"

namespace frazil {

// The plain object `SinkCounters` of src/addon/native.ts.
Napi::Value counters_view(Napi::Env env, const page::Counters& counters);

}  // namespace frazil
