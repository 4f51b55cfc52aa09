# Opens every sealed file of this bag with your own age identity:
#
#     .\open.ps1 -Identity IDENTITY -OutDir OUTDIR
#
# Needs age: 1.3 or later when your key begins with age1pq (mlkem768x25519), any 1.x otherwise.
# Nothing is overwritten. A file that does not open whole and untouched leaves nothing behind.
param(
    [Parameter(Mandatory = $true)][string]$Identity,
    [Parameter(Mandatory = $true)][string]$OutDir
)
$ErrorActionPreference = 'Stop'

if (-not (Get-Command age -ErrorAction SilentlyContinue)) {
    throw 'age is not installed: 1.3 or later is needed for age1pq keys.'
}
New-Item -ItemType Directory -Force -Path $OutDir | Out-Null

$data = Join-Path $PSScriptRoot 'data'
foreach ($sealed in Get-ChildItem -LiteralPath $data | Where-Object { $_.Extension -eq '.age' }) {
    $target = Join-Path $OutDir $sealed.BaseName
    $part = "$target.part"
    foreach ($path in $target, $part) {
        if (Test-Path -LiteralPath $path) { throw "$path is already there; nothing was overwritten." }
    }
    & age -d -i $Identity -o $part $sealed.FullName
    if ($LASTEXITCODE -ne 0) {
        if (Test-Path -LiteralPath $part) { Remove-Item -LiteralPath $part }
        throw "$sealed did not open. Keys that begin with age1pq need age 1.3 or later."
    }
    Move-Item -LiteralPath $part -Destination $target
    Write-Output $target
}

Write-Output 'Every sealed file is open. manifest.json gives the true name and SHA-256 of each item.'
Write-Output 'Check who signed it with: ssh-keygen -Y verify -n dutyline-manifest@v1 -s manifest.json.sig'
