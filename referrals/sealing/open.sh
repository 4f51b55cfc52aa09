#!/bin/sh
# Opens every sealed file of this bag with your own age identity:
#
#     sh open.sh IDENTITY OUTDIR
#
# Needs age: 1.3 or later when your key begins with age1pq (mlkem768x25519), any 1.x otherwise.
# Nothing is overwritten. A file that does not open whole and untouched leaves nothing behind.
set -eu
umask 077

refuse() {
    printf '%s\n' "$1" >&2
    exit 1
}

[ $# -eq 2 ] || refuse 'usage: sh open.sh IDENTITY OUTDIR'
command -v age >/dev/null || refuse 'age is not installed: 1.3 or later is needed for age1pq keys.'
identity=$1
out=$2
bag=$(dirname -- "$0")
mkdir -p -- "$out"

for sealed in "$bag"/data/*.age; do
    name=$(basename -- "$sealed" .age)
    for target in "$out/$name" "$out/$name.part"; do
        if [ -e "$target" ] || [ -h "$target" ]; then
            refuse "$target is already there; nothing was overwritten."
        fi
    done
    if ! age -d -i "$identity" "$sealed" >"$out/$name.part"; then
        rm -f -- "$out/$name.part"
        refuse "$sealed did not open. Keys that begin with age1pq need age 1.3 or later."
    fi
    mv -- "$out/$name.part" "$out/$name"
    printf '%s\n' "$out/$name"
done

cat <<'END'
Every sealed file is open. manifest.json gives the true name and SHA-256 of each item. Who signed it:
    ssh-keygen -Y verify -f allowed_signers -I PRINCIPAL -n dutyline-manifest@v1 \
        -s OUTDIR/manifest.json.sig < OUTDIR/manifest.json
END
