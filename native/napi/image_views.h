#pragma once

#include <napi.h>

#include <optional>

#include "core/result.h"
#include "page/image_fault.h"

namespace frazil {

// { flaw, errno, syscall, level, name, offset, vaddr, pages, wanted, found }: what TypeScript makes a sentence of.
Napi::Value to_view(Napi::Env env, const page::ImageFault& fault);
// Whether it is only that somebody cancelled, which a job says by rejecting.
bool is_cancelled(const page::ImageFault& fault) noexcept;
// { fault? }, to which a job adds what it has found; or the rejection of a cancelled job.
Result<Napi::Object> view_of(Napi::Env env, const std::optional<page::ImageFault>& fault);

}  // namespace frazil
