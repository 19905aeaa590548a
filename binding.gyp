# For node-gyp; native/CMakeLists.txt builds the same list of sources (native/sources.json) with the same flags.
{
  "targets": [{
    "target_name": "frazil",
    "sources": ["<!@(node -p \"const s = require('./native/sources.json'); [...s.library, ...s.addon].map((f) => 'native/' + f).join(' ')\")"],
    "defines": [
      "NAPI_VERSION=9",
      "NAPI_DISABLE_CPP_EXCEPTIONS",
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
    ],
    "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
    "cflags_cc": [
      "-std=c++20",
      "-fno-exceptions",
      "-fvisibility=hidden",
      # -iquote, not -I: our sys/ must not answer for the kernel's <sys/...>. Vendor headers as system ones.
      "-iquote", "<(module_root_dir)/native",
      "-isystem", "<!(node -p \"path.dirname(require.resolve('node-addon-api'))\")",
    ],
    "ldflags": ["-Wl,--version-script=<(module_root_dir)/native/exports.map"],
    "conditions": [["OS!='linux'", {"type": "none"}]],
  }, {
    # Programs of their own: see native/CMakeLists.txt.
    "target_name": "criu-seat",
    "type": "executable",
    "sources": ["<!@(node -p \"const s = require('./native/sources.json'); [...s.library, ...s.programs['criu-seat']].map((f) => 'native/' + f).join(' ')\")"],
    "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-iquote", "<(module_root_dir)/native"],
    "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections"],
    "conditions": [["OS!='linux'", {"type": "none"}]],
  }, {
    # Loaded into CRIU: see native/CMakeLists.txt.
    "target_name": "frazil-answers",
    "type": "shared_library",
    "product_prefix": "",
    "product_extension": "so",
    "sources": ["<!@(node -p \"require('./native/sources.json').answers.map((f) => 'native/' + f).join(' ')\")"],
    "cflags": ["-fvisibility=hidden"],
    "conditions": [["OS!='linux'", {"type": "none"}]],
  }, {
    "target_name": "frazil-cell",
    "type": "executable",
    "sources": ["<!@(node -p \"const s = require('./native/sources.json'); [...s.library, ...s.programs['frazil-cell']].map((f) => 'native/' + f).join(' ')\")"],
    "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-iquote", "<(module_root_dir)/native"],
    "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections"],
    "conditions": [["OS!='linux'", {"type": "none"}]],
  }, {
    "target_name": "frazil-lazy",
    "type": "executable",
    "sources": ["<!@(node -p \"const s = require('./native/sources.json'); [...s.library, ...s.programs['frazil-lazy']].map((f) => 'native/' + f).join(' ')\")"],
    "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-iquote", "<(module_root_dir)/native"],
    "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections"],
    "conditions": [["OS!='linux'", {"type": "none"}]],
  }, {
    "target_name": "frazil-runc",
    "type": "executable",
    "sources": ["<!@(node -p \"const s = require('./native/sources.json'); s.programs['frazil-runc'].map((f) => 'native/' + f).join(' ')\")"],
    "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fvisibility=hidden", "-iquote", "<(module_root_dir)/native"],
    "conditions": [
      ["OS!='linux'", {"type": "none"}],
      # Without a C library: native/seat/bare.h.
      ["target_arch=='x64'", {
        "defines": ["FRAZIL_BARE"],
        "cflags_cc": ["-fno-stack-protector"],
        "ldflags": ["-nostdlib", "-static"],
      }, {"ldflags": ["-static-libstdc++", "-static-libgcc"]}],
    ],
  }],
}
