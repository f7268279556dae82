#compdef beamless
# Completion of beamless for zsh. The program is asked what may follow; what was typed is handed on, and never evaluated.
_beamless() {
    local line
    local -a found
    for line in "${(f@)$("${(Q)words[1]}" --complete "${(Q@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n ${line%%$'\t'*} ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( $#found )); then _describe beamless found; else _files; fi
}
_beamless "$@"
