#pragma once

#include <napi.h>

#include <optional>
#include <vector>

#include "archive/members.h"

namespace frazil {

// [{ head, name?, bytes?, within? }]; empty, with a TypeError, when it is something else.
std::optional<std::vector<archive::Addition>> to_additions(const Napi::Value& value);

}  // namespace frazil
