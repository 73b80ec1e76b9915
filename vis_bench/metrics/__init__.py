"""Scores of predicted tracks: per-video statistics first, then a weighted reduce over videos.

Every metric is `per_video(...)` -> statistics of one video, `gather(...)` -> statistics of a data set, and
`reduce(statistics, weights [R, V])` -> values [R]. A row of ones is the score, multiplicities are a bootstrap
replicate, zeros and ones are a slice. Nothing here needs torch.
"""
