# Completion of beamless for bash. The program is asked what may follow; what was typed is handed on, and never evaluated.
_beamless() {
    local word line join=
    local -a words=()
    # bash takes --timeout=5 apart at =
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if [[ ( $word == = || $join ) && ${#words[@]} -gt 0 ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        [[ $word == = ]] && join=yes || join=
    done
    COMPREPLY=()
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        # others may have made up the names of nodes: what means something to the shell is quoted
        [[ $line && $line == "${COMP_WORDS[COMP_CWORD]}"* ]] && printf -v line %q "$line" && COMPREPLY+=("$line")
    done < <("$1" --complete "${words[@]}" 2>/dev/null)
}
complete -o default -F _beamless beamless
