"""The pages: `site` draws templates with the texts of a language, `pages/` has one module each."""
