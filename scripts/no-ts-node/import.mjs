// Tests are compiled by `tsc -b` before tap runs them, so tap's on-the-fly TypeScript loader is replaced by nothing.
