#!/bin/sh
# Installs what C and C++ programs need: the shared and the static library, the headers, the file for pkg-config and the
# manual pages.
#
#   ffi/install.sh ARCHIVE PREFIX [DESTDIR]
#
# ARCHIVE is the libswarmbus.a that cargo has built. The shared library is linked from it here, since cargo gives a library of
# its own neither a soname nor versions of its symbols (docs/adr/0031-a-shared-library-with-versions.md).
set -eu

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: $0 ARCHIVE PREFIX [DESTDIR]" >&2
    exit 64
fi
archive=$1 prefix=$2 root=${3:-}$2
ffi=$(cd "$(dirname "$0")" && pwd)
if [ ! -f "$archive" ]; then
    echo "$0: no $archive: build it (cargo build --release -p swarmbus-ffi)" >&2
    exit 66
fi

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' "$ffi/../Cargo.toml")
abi=$(sed -n 's/^#define SWARMBUS_ABI_VERSION \([0-9]*\)$/\1/p' "$ffi/../include/swarmbus.h")
soname=libswarmbus.so.$abi
lib=$root/lib
install -d "$lib/pkgconfig" "$root/include"

# -z nodelete: threads that watch for others run in the library, so dlclose() must not take it away. It is linked under another
# name and then renamed: a program that runs keeps the file that it has mapped.
${CC:-cc} -shared -o "$lib/.$soname.new" \
    -Wl,-soname,"$soname" -Wl,--version-script="$ffi/swarmbus.map" -Wl,-z,nodelete -Wl,-z,defs -Wl,-z,relro -Wl,-z,now \
    -Wl,--gc-sections -Wl,--whole-archive "$archive" -Wl,--no-whole-archive \
    -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
chmod 755 "$lib/.$soname.new"
mv "$lib/.$soname.new" "$lib/$soname.$version"
ln -sf "$soname.$version" "$lib/$soname"
ln -sf "$soname" "$lib/libswarmbus.so"

install -m 644 "$archive" "$lib/libswarmbus.a"
install -m 644 "$ffi/../include/swarmbus.h" "$ffi/../include/swarmbus.hpp" "$root/include/"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" "$ffi/swarmbus.pc.in" > "$lib/pkgconfig/swarmbus.pc"
chmod 644 "$lib/pkgconfig/swarmbus.pc"

install -d "$root/share/man/man3"
install -m 644 "$ffi"/man/*.3 "$root/share/man/man3/"
# Each call is found by its own name.
for page in "$ffi"/man/*.3; do
    sed -n '/^\.Sh NAME$/,/^\.Nd /s/^\.Nm \([a-z_]*\).*/\1/p' "$page" | while read -r name; do
        [ "$name.3" = "$(basename "$page")" ] || ln -sf "$(basename "$page")" "$root/share/man/man3/$name.3"
    done
done
