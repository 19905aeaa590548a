#pragma once

#include <string>
#include <variant>
#include <vector>

#include "core/cancel.h"
#include "core/result.h"
#include "core/unique_fd.h"

namespace frazil {

// libcriu is a thin RPC client. It is loaded at run time, because few machines have it and none needs it, and because it
// exports some 90 protobuf-c symbols that must not clash with anybody's. Which setters are called with what comes from
// TypeScript; here is only the closed set of their signatures.

// Absent is what a nullable string gets as NULL.
using LibcriuArgument = std::variant<std::monostate, double, std::string>;

struct LibcriuSetter {
  std::string symbol;
  // Arguments after `criu_opts*`: i int, u unsigned, b bool, s string, n nullable string, v argc and argv of all that
  // are left. A leading '!' says that the function returns int, 0 being success.
  std::string signature;
  std::vector<LibcriuArgument> arguments;
};

struct LibcriuCall {
  std::string library;
  std::vector<LibcriuSetter> setters;
  // What to call with the options: criu_local_dump, ...
  std::string symbol;
  // For criu_local_feature_check: which of mem_track, lazy_pages, pidfd_store to ask for. Empty for all others.
  std::vector<bool> features;
};

enum class LibcriuEnd {
  returned,
  no_library,     // dlopen() failed
  no_symbol,      // `symbol` is not in this libcriu
  setter_failed,  // `symbol` returned `value`
  busy,           // another call of this process is under way
};

struct LibcriuOutcome {
  LibcriuEnd end = LibcriuEnd::returned;
  int value = 0;       // what the call, or the setter, returned
  int error = 0;       // errno after it: CRIU's cr_errno
  std::string symbol;  // or dlerror()'s text for no_library
  std::vector<bool> features;
};

// Runs one call on the calling thread, which it blocks until CRIU has answered. libcriu keeps state in file-scope
// statics, so the process has one call at a time; a second one ends as `busy`.
//
// `service` is our end of the SEQPACKET pair of a `criu swrk` that the caller has started: libcriu neither forks this
// multi-threaded process nor waits for a child. `channel` carries its notifications to whoever decides: one message of the
// root's pid (4 bytes, 0 for none) and the script's name, with the orphan terminal's fd if there is one; the reply is one
// byte, 1 to proceed. No reply, or a cancelled wait, refuses. A cancel also shuts `service` down, which ends the call.
Result<LibcriuOutcome> call_libcriu(const LibcriuCall& call, const UniqueFd& service, const UniqueFd& channel,
                                    const Cancel& cancel) noexcept;

}  // namespace frazil
