//! Prints docs/types.md: `cargo run -p pumphouse-decode --example types_page > docs/types.md`.
fn main() {
    print!("{}", pumphouse_decode::types_page());
}
