//! Prints `docs/configuration.md`.
fn main() {
    print!("{}", pumphouse_config::configuration_page());
}
