# Repeats every confirmatory row of contrasts.tsv from the animals' values, with R's own arithmetic and no package.
# Rscript reproduce.R      in the folder with contrasts.tsv and reproduce.tsv; stops where a number differs by more than 1e-6.

pseudoinverse <- function(x) {
  s <- svd(x)
  keep <- s$d > 1e-10 * max(s$d)
  s$v[, keep, drop = FALSE] %*% (t(s$u[, keep, drop = FALSE]) / s$d[keep])
}

# Least squares on arms, blocks and covariates; HC2 corrected for arms that vary unlike, Bell and McCaffrey's degrees of freedom.
# Without blocks and covariates: Welch.
between <- function(y, arm, weight, block, covariates) {
  arms <- sort(unique(arm))
  w <- weight[match(arms, arm)]
  member <- outer(arm, arms, "==") * 1
  blocks <- outer(block, sort(unique(block)), "==") * 1
  x <- cbind(member, blocks, scale(covariates, scale = FALSE))
  inverse <- pseudoinverse(x)
  g <- length(arms)
  inside <- g + seq_len(ncol(blocks))
  lead <- inverse[1:g, , drop = FALSE]
  shared <- colMeans(blocks) %*% inverse[inside, , drop = FALSE]
  lead <- sweep(lead, 2, as.vector(shared), "+")
  a <- as.vector(w %*% lead)
  residual <- diag(length(y)) - x %*% inverse
  free <- diag(residual)
  share <- ifelse(free > 1e-9, 1 / free, 0)
  r <- as.vector(residual %*% (y - mean(y)))
  v <- as.vector(pmax(pseudoinverse(t(member) %*% residual^2 %*% member) %*% (t(member) %*% r^2), 0))
  if (all(v == 0)) v[] <- sum(r^2) / sum(free)
  each <- as.vector(member %*% v)
  q <- residual %*% (a^2 * share * residual)
  trace <- sum(diag(q) * each)
  due <- sum(a^2 * each)
  variance <- sum(a^2 * share * r^2) * min(max(due / trace, 2 / 3), 3 / 2)
  c(estimate = sum(a * y), se = sqrt(variance), df = trace^2 / sum(q^2 * outer(each, each)))
}

one_sample <- function(y) {
  c(estimate = mean(y), se = sd(y) / sqrt(length(y)), df = length(y) - 1)
}

# One difference, or one slope over log2(dose + 1), for each unit that has all it needs.
within <- function(d) {
  found <- sapply(split(d, d$unit), function(u) {
    if (d$how[1] == "slope within") {
      x <- log2(u$dose + 1)
      return(if (length(unique(x)) < 2) NA else cov(x, u$value) / var(x))
    }
    means <- tapply(u$value, u$arm, mean)
    used <- unique(d$arm[d$weight != 0])
    if (!all(used %in% names(means))) return(NA)
    sum(means[used] * d$weight[match(used, d$arm)])
  })
  one_sample(found[!is.na(found)])
}

slope_between <- function(d, covariates) {
  arm <- as.character(d$dose)
  x <- log2(d$dose + 1)
  weight <- ave(x, arm, FUN = function(one) length(one) * (one[1] - mean(x)))
  weight <- weight / sum((x - mean(x))^2)
  between(d$value, arm, weight, d$block, covariates)
}

repeated <- function(d) {
  covariates <- as.matrix(d[grep("^covariate_", names(d))])
  covariates <- covariates[, colSums(is.na(covariates)) == 0, drop = FALSE]
  f <- switch(d$how[1],
    "between" = between(d$value, d$arm, d$weight, d$block, covariates),
    "slope between" = slope_between(d, covariates),
    within(d)
  )
  low <- d$low[1]
  high <- d$high[1]
  beyond <- max(f[["estimate"]] - low, -f[["estimate"]] - high, 0)
  half <- qt(0.5 + d$level[1] / 2, f[["df"]]) * f[["se"]]
  c(f,
    p = 2 * pt(-beyond / f[["se"]], f[["df"]]),
    lower = f[["estimate"]] - half - low, upper = f[["estimate"]] + half + high
  )
}

data <- read.delim("reproduce.tsv", colClasses = c(unit = "character", arm = "character", block = "character"))
data$block[is.na(data$block)] <- ""
table <- read.delim("contrasts.tsv", quote = "")
worst <- 0
for (line in unique(data$line)) {
  d <- data[data$line == line, ]
  here <- table[line - 1, ]
  ours <- unlist(here[c("estimate", "se", "df", "p", "lower", "upper")])
  theirs <- repeated(d)[names(ours)]
  off <- max(abs(theirs - ours) / pmax(abs(ours), 1e-9 + 1e-3 * (names(ours) %in% c("estimate", "lower", "upper"))))
  cat(sprintf("%-24s %-12s off by %.1e\n", here$outcome, here$contrast, off))
  worst <- max(worst, off)
}
cat(sprintf("%d confirmatory rows, largest relative difference %.1e\n", length(unique(data$line)), worst))
if (worst > 1e-6) stop("a number could not be reproduced")
