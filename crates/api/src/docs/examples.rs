//! The example answers of `docs/API.md`, which a test compares with a server over the bundled sample.

/// The page: each request as a block ```` ```http ````, and its answer in the block that follows.
const PAGE: &str = include_str!("../../../../docs/API.md");

/// The answer to `GET address`, as the page has it.
pub(crate) fn answer(address: &str) -> Option<&'static str> {
    let request = format!("```http\nGET {address}\n```\n");
    let (_, after) = PAGE.split_once(&request)?;
    let (_, block) = after.split_once("```json\n")?;
    let (answer, _) = block.split_once("\n```")?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use ledger::columns::Endpoint;

    use super::answer;
    use crate::paths;
    use crate::v1::operations::OPERATIONS;

    #[test]
    fn every_path_has_an_example_on_the_page() {
        let v1 = OPERATIONS.iter().map(|operation| operation.example.to_owned());
        for address in v1.chain(Endpoint::ALL.iter().copied().map(paths::endpoint_example)) {
            let text = answer(&address).unwrap_or_else(|| panic!("docs/API.md has no GET {address}"));
            serde_json::from_str::<serde_json::Value>(text).expect("an answer in JSON");
        }
    }
}
