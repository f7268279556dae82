# Completion of beamless for fish. The program is asked what may follow; what was typed is handed on, and never evaluated.
function __beamless
    set -l words (commandline -opc) (commandline -ct)
    command $words[1] --complete $words[2..] 2>/dev/null | string match -r '^[^\t].*'
end
complete -c beamless -f -a '(__beamless)'
complete -c beamless -l cookie-file -r -F
