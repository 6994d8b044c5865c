//! Family `tpm`, judged by TPMs that are not ours: one in software, and those whose evidence is in the corpus.

mod activation;
