//! The file by which an Erlang node has TLS: `erl -ssl_dist_optfile FILE`.

/// Returns the file for the certificate, the key and the CA in a folder.
pub(super) fn text(folder: &str) -> String {
    // an Erlang string
    let folder = folder.trim_end_matches('/').replace('\\', "\\\\").replace('"', "\\\"");
    let side = |side: &str, more: &str| {
        format!(
            "  {{{side}, [\n    {{certfile, \"{folder}/tls.crt\"}},\n    {{keyfile, \"{folder}/tls.key\"}},\n    \
             {{cacertfile, \"{folder}/ca.crt\"}},\n    {{verify, verify_peer}},\n{more}    {{versions, ['tlsv1.3']}}\n  ]}}"
        )
    };
    format!(
        "%% for erl -proto_dist inet_tls -ssl_dist_optfile THIS\n\
         %% Both sides show a certificate of the CA. TLS 1.3 alone: over 1.2 OTP renegotiates now and then, which beamless refuses.\n\
         [\n{},\n{}\n].\n",
        side("server", "    {fail_if_no_peer_cert, true},\n"),
        side("client", "")
    )
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_path_is_an_erlang_string() {
        let text = text("/a \"b\"\\c/");
        assert_eq!(text.matches(r#"{certfile, "/a \"b\"\\c/tls.crt"}"#).count(), 2, "{text}");
        assert_eq!(text.matches(r#"{keyfile, "/a \"b\"\\c/tls.key"}"#).count(), 2, "{text}");
    }
}
