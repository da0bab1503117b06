# Sourced by the scripts of this folder: `in_python PACKAGE…` installs pinned packages in a temporary virtual environment and
# runs the Python program on standard input there. The environment is removed at the end.
in_python() {
    local folder
    folder="$(mktemp -d)"
    # shellcheck disable=SC2064 # The name is to be expanded now.
    trap "rm -rf '$folder'" EXIT
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    cat >"$folder/program.py"
    (cd "$folder" && "$folder/venv/bin/python" program.py)
}
