#!/bin/bash
# build.sh BUILD [PREFIX]: builds this project with CMake and with pkg-config against the library
# below PREFIX, and runs both. Without PREFIX, what BUILD holds is installed for it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1/tests/consumer
prefix=${2-$work/prefix}
export LD_LIBRARY_PATH= PKG_CONFIG_PATH

rm -rf "$work"
(( $# > 1 )) || cmake --install "$1" --prefix "$prefix" > /dev/null
lib=$(dirname "$(find "$prefix" -name 'libtapestry_tensor.*' -print -quit)")

cmake -S "$here" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work/build"
"$work/build/consumer"

PKG_CONFIG_PATH=$lib/pkgconfig
read -ra flags < <(pkg-config --cflags --libs tapestry)
"${CXX:-c++}" "$here/main.cpp" "${flags[@]}" -Wl,-rpath,"$lib" -o "$work/by-pkg-config"
"$work/by-pkg-config"
