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
  f <- c(estimate = sum(a * y), se = sqrt(variance), df = trace^2 / sum(q^2 * outer(each, each)), skew = 0)
  attr(f, "v") <- as.vector(v)
  f
}

# Skewness of values that are log-normal with this variance of logarithms by the share q, else 0.
of_logs <- function(variance, q) {
  a <- exp(variance)
  squares <- q * a - q^2
  ifelse(squares > 0, (q * a^3 - 3 * q^2 * a + 2 * q^3) / squares^1.5, 0)
}

# Arithmetic means of skewed values: what blocks leave in a contrast of means, and how skewness stretches its interval.
of_means <- function(f, y, arm, weight, block, least, most, log_normal) {
  arms <- sort(unique(arm))
  w <- weight[match(arms, arm)]
  n <- as.vector(table(arm)[arms])
  m <- as.vector(tapply(y, arm, mean)[arms])
  s2 <- as.vector(tapply(y, arm, var)[arms])
  both <- is.finite(most)
  slope <- as.vector(tapply(if (both) (y - least) * (most - y) / (most - least) else y - least, arm, mean)[arms])
  sizes <- pmax((m - least) * (most - m) / s2 - 1, 0)
  at <- (m - least) / (most - least)
  skewness <- if (both) 2 * (1 - 2 * at) / (sizes + 2) * sqrt((sizes + 1) / (at * (1 - at))) else 2 * sqrt(s2) / (m - least)
  skewness <- ifelse(s2 > 0, skewness, 0)
  if (log_normal) {
    above <- y > least
    logs <- log(y[above] - least)
    within <- logs - ave(logs, arm[above])
    spread <- sqrt(sum(within^2) / max(sum(above) - length(unique(arm[above])), 1))
    q <- as.vector(tapply(above, arm, mean)[arms])
    skewness <- pmax(skewness, ifelse(s2 > 0, of_logs(min(spread, 1)^2, q), 0))
  }
  skewness <- skewness / sqrt(n)
  extra <- 0
  lean <- 0
  lead <- ifelse(s2 > 0, slope / s2, 0)
  names <- sort(unique(block))
  if (length(names) > 1) {
    count <- table(factor(arm, arms), factor(block, names))
    place <- count / n
    residual <- (y - m[match(arm, arms)]) * lead[match(arm, arms)]
    sums <- tapply(residual, factor(block, names), sum)
    told <- lead * slope * count
    spread <- diag(colSums(told)) - t(told) %*% place
    news <- sum(spread^2)
    moved <- if (news > 1e-9 * sum(told)^2) sum(sums^2) / news else 0
    left <- (w * slope) %*% place
    extra <- sum(left^2) * moved
    if (!both) lean <- sum(left^3) * moved^1.5 * of_logs(min(moved, 1), 1)
  }
  own <- f[["se"]]^2
  whole <- own + extra
  part <- w^2 * attr(f, "v") / n / whole
  c(estimate = f[["estimate"]], se = sqrt(whole),
    df = whole / (own / f[["df"]] + extra / max(length(names) - 1, 1)),
    skew = 3 / 8 * (sum(sign(w) * part^1.5 * skewness) + lean / whole^1.5))
}

one_sample <- function(y) {
  c(estimate = mean(y), se = sd(y) / sqrt(length(y)), df = length(y) - 1, skew = 0)
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
  compared(d, arm, weight, covariates)
}

# Where arithmetic means are compared, their limits are given and blocks are not adjusted for.
compared <- function(d, arm, weight, covariates) {
  if (is.na(d$least[1])) return(between(d$value, arm, weight, d$block, covariates))
  f <- between(d$value, arm, weight, rep("", nrow(d)), covariates)
  of_means(f, d$value, arm, weight, d$block, d$least[1], d$most[1], d$means[1] == "log")
}

repeated <- function(d) {
  covariates <- as.matrix(d[grep("^covariate_", names(d))])
  covariates <- covariates[, colSums(is.na(covariates)) == 0, drop = FALSE]
  f <- switch(d$how[1],
    "between" = compared(d, d$arm, d$weight, covariates),
    "slope between" = slope_between(d, covariates),
    within(d)
  )
  low <- d$low[1]
  high <- d$high[1]
  skews <- pmax(c(-f[["skew"]], f[["skew"]]), 0)
  beyond <- pmax(c(f[["estimate"]] - low, -f[["estimate"]] - high) / f[["se"]], 0)
  t <- max(2 * beyond / (1 + sqrt(1 + 4 * skews * beyond)))
  edge <- qt(0.5 + d$level[1] / 2, f[["df"]])
  reach <- (edge + skews * edge^2) * f[["se"]]
  c(f,
    p = 2 * pt(-t, f[["df"]]),
    lower = f[["estimate"]] - reach[1] - low, upper = f[["estimate"]] + reach[2] + high
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
