# shellcheck shell=bash
# Prefixes: folders of foreign programs below $FRAZIL_HOME.
#
#   $FRAZIL_HOME/NAME  ->  store/NAME-STAMP/      STAMP: hash of the recipe and of the absolute path
#
# Programs carry the path of their libraries, so a prefix is built where it will lie and not moved there. It becomes
# visible when the link turns to it, after its last step: an interrupted setup is never taken for a whole one, two
# clones with different recipes do not break each other's running programs, and going back needs no network.
. "$ROOT/scripts/lib/debian.sh"
. "$ROOT/scripts/lib/recipes.sh"

prefix_stamp() {
  { echo "$FRAZIL_HOME"; declare -f debs apt_for run_in_place "recipe_${1//-/_}"; } | sha256sum | cut -c1-12
}

# prefix NAME : makes sure that $FRAZIL_HOME/NAME is what its recipe says today.
prefix() {
  local target
  target=store/$1-$(prefix_stamp "$1")
  # Not "whole || build": bash ignores failing commands in what stands left or right of ||.
  if ! prefix_whole "$1" "$target"; then locked "$1" prefix_build "$1" "$target"; fi
  NOTE=${NOTE:-up to date}
}

prefix_whole() { [[ $(readlink "$FRAZIL_HOME/$1") == "$2" && -e $FRAZIL_HOME/$2/.done ]]; }

prefix_build() {
  local name=$1 target=$2 before
  if prefix_whole "$name" "$target"; then return; fi # another setup was faster
  if [[ ! -e $FRAZIL_HOME/$target/.done ]]; then
    "$ROOT/scripts/lib/build-prefix" "$name" "$FRAZIL_HOME/$target"
  fi
  before=$(readlink "$FRAZIL_HOME/$name" || true)
  ln -sfn "$target" "$FRAZIL_HOME/.$name.new"
  mv -T "$FRAZIL_HOME/.$name.new" "$FRAZIL_HOME/$name"
  prefix_prune "$name" "$target" "$before"
  # The library for programs that load libcriu themselves; see recipe_criu.
  if [[ $name == criu ]]; then ln -sfn criu/libcriu "$FRAZIL_HOME/libcriu"; fi
  NOTE="from $(cat "$FRAZIL_HOME/$name/.suite"), $(du -sm "$FRAZIL_HOME/$target" | cut -f1) MB"
}

# Keeps the one before, whose programs may be running.
prefix_prune() {
  local dir
  for dir in "$FRAZIL_HOME/store/$1"-????????????; do
    [[ $dir == "$FRAZIL_HOME/$2" || $dir == "$FRAZIL_HOME/$3" ]] || rm -rf "$dir"
  done
}
