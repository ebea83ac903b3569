//! What reqwest encrypts with.

/// Installs the provider that reqwest wants for any client, one for plain HTTP among them. Another part of the program may
/// have installed it already: a second installation changes nothing.
pub fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
