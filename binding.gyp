# The Node addon. Sources come from native/sources.json, the list that CMakeLists.txt reads too.
{
  'variables': {
    'napi_include%': '<!(node -p "require(\'node:path\').dirname(require.resolve(\'node-addon-api\'))")',
    # gcc 12 sees overlaps in std::string operator+ that are not there (gcc bug 105651): no -Wrestrict.
    'warnings': [
      '-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Wconversion', '-Wno-sign-conversion', '-Werror',
      '-Wno-unknown-warning-option', '-Wno-restrict',
    ],
  },
  'targets': [
    {
      'target_name': 'zkdb',
      'sources': [
        '<!@(node -p "const s = require(\'./native/sources.json\'); [...s.core, ...s.server, ...s.addon].join(\' \')")',
      ],
      'include_dirs': ['native'],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS_ALL', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
      'cflags!': ['-fno-exceptions'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
      'cflags': ['<@(warnings)', '-fvisibility=hidden'],
      'cflags_cc': ['-std=c++20', '-fexceptions', '-fvisibility-inlines-hidden', '-isystem', '<(napi_include)'],
      'configurations': {
        'Release': {'cflags': ['-O3', '-g1'], 'ldflags': ['-Wl,-O1']},
        'Debug': {'cflags': ['-O0', '-g']},
      },
      'conditions': [
        ['OS == "linux"', {
          # The binary carries its own C++ library and shows nothing but the two entry points that Node looks up.
          'ldflags': [
            '-static-libstdc++',
            '-static-libgcc',
            '-Wl,--version-script=<(module_root_dir)/native/addon.map',
          ],
        }],
        ['OS == "mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'CLANG_CXX_LIBRARY': 'libc++',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
            'GCC_ENABLE_CPP_RTTI': 'YES',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'MACOSX_DEPLOYMENT_TARGET': '11.0',
            'OTHER_CPLUSPLUSFLAGS': ['<@(warnings)', '-isystem', '<(napi_include)'],
          },
        }],
      ],
    },
  ],
}
