#pragma once

#include <napi.h>

#include "page/receiver.h"

namespace frazil {

// Why a reception from CRIU ended, as TypeScript's SinkFailure.
Napi::Value failure_view(Napi::Env env, const page::Failure& failure);

}  // namespace frazil
