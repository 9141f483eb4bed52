mod rates;
mod spend;
mod tokens;
