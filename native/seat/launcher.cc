// `frazil-runc`: a runc for engines (docs/runtimes.md). They call it many times, with an empty environment and PATH, and for nearly
// everything it becomes the real runtime at once. Only checkpoint and restore, in which Frazil takes a part, become
// `frazil runc` with the same arguments. Nothing else is read of the command line: its errors are the runtime's to find.
//
// The runtime is looked for where src/runtime/locate.ts does: FRAZIL_RUNC, the private prefix, PATH, the usual folders. Node is the one
// that built us; scripts/install.mjs has written its path beside this program.

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/unique_fd.h"

namespace {

constexpr std::array<std::string_view, 6> kFolders = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                                      "/usr/bin",        "/sbin",          "/bin"};
// Global options whose value is a word of its own.
constexpr std::array<std::string_view, 6> kWithValue = {"log",  "log-format", "root",
                                                        "criu", "rootless",   "cgroup-manager"};

[[noreturn]] void fail(const char* what, const std::string& path) noexcept {
  std::fprintf(stderr, "Error (frazil-runc): cannot %s \"%s\": %s\n", what, path.c_str(), std::strerror(errno));
  std::exit(EXIT_FAILURE);
}

// Empty counts as absent, as in every shell tool.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string own_path() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : "";
}

// A program, and not this one under another name: that would start itself for ever.
bool is_runtime(const std::string& path) {
  struct stat file{};
  struct stat own{};
  if (::access(path.c_str(), X_OK) == -1 || ::stat(path.c_str(), &file) == -1 || !S_ISREG(file.st_mode)) return false;
  return ::stat("/proc/self/exe", &own) == -1 || own.st_dev != file.st_dev || own.st_ino != file.st_ino;
}

std::string frazil_home() {
  if (auto home = variable("FRAZIL_HOME"); !home.empty()) return home;
  if (auto cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache + "/frazil";
  if (auto home = variable("HOME"); !home.empty()) return home + "/.cache/frazil";
  const passwd* user = ::getpwuid(::getuid());
  return user == nullptr ? "" : std::string(user->pw_dir) + "/.cache/frazil";
}

std::vector<std::string> folders() {
  const std::string prefix = frazil_home() + "/runtimes/usr";
  std::vector<std::string> all = {prefix + "/sbin", prefix + "/bin"};
  const std::string path = variable("PATH");
  for (size_t from = 0; from < path.size();) {
    const size_t end = std::min(path.find(':', from), path.size());
    // A relative one would depend on where an engine happens to be.
    if (path[from] == '/') all.push_back(path.substr(from, end - from));
    from = end + 1;
  }
  all.insert(all.end(), kFolders.begin(), kFolders.end());
  return all;
}

std::string find_runtime() {
  if (auto named = variable("FRAZIL_RUNC"); !named.empty()) return named;
  for (const std::string& folder : folders())
    if (is_runtime(folder + "/runc")) return folder + "/runc";
  errno = ENOENT;
  fail("find", "runc");
}

// The first word that is neither an option nor the value of one.
std::string_view subcommand(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word.size() < 2 || word.front() != '-' || word == "--") return word;
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    for (const std::string_view option : kWithValue)
      if (word == option) ++i;
  }
  return {};
}

std::string node_path(const std::string& own) {
  const std::string record = own + ".node";
  const frazil::UniqueFd file(::open(record.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, PATH_MAX> path{};
  const ssize_t length = file ? ::read(file.get(), path.data(), path.size() - 1) : -1;
  if (length <= 0) fail("read", record);
  return std::string(path.data(), static_cast<size_t>(length));
}

[[noreturn]] void become(const std::string& file, std::vector<char*> argv) {
  argv.push_back(nullptr);
  ::execv(file.c_str(), argv.data());
  fail("start", file);
}

}  // namespace

int main(int argc, char** argv) {
  std::string runtime = find_runtime();
  const std::string_view word = subcommand(argc, argv);
  std::vector<char*> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (word != "checkpoint" && word != "restore") {
    arguments.insert(arguments.begin(), runtime.data());
    become(runtime, arguments);
  }
  const std::string own = own_path();
  std::string node = node_path(own);
  // build/Release/frazil-runc of the package.
  std::string program = own.substr(0, own.rfind('/')) + "/../../dist/cli/main.js";
  std::string verb = "runc";
  arguments.insert(arguments.begin(), {node.data(), program.data(), verb.data()});
  (void)::setenv("FRAZIL_RUNC", runtime.c_str(), 1);
  become(node, arguments);
}
