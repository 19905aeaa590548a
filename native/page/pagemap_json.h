#pragma once

// A pagemap image as the JSON that `crit decode` prints (lib/pycriu/images/pb2dict.py), to the letter. In C++ because it is
// the one image with an entry per run of pages: a million of them must not become a million objects on the way.

#include <optional>

#include "core/cancel.h"
#include "page/image_fault.h"

namespace frazil::page {

// plain is one line without its end; pretty has crit's indentation, addresses in hexadecimal and the names of flags.
enum class JsonForm : uint8_t { plain, pretty };

// Reads the image from the position of `image` and writes to `out`, a regular file, a pipe or a socket. What it prints is what is
// there, sorted or not. A fault leaves the text cut off. ECANCELED, also while nobody takes the text.
// `written` is how many bytes of text `out` has got.
std::optional<ImageFault> print_pagemap(int image, int out, JsonForm form, const Cancel& cancel,
                                        uint64_t* written) noexcept;

}  // namespace frazil::page
